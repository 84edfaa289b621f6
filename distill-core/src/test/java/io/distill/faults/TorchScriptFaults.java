package io.distill.faults;

import static java.nio.charset.StandardCharsets.UTF_8;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import io.distill.internal.NativeEngine;
import io.distill.model.SignalReader;
import io.distill.model.TorchScriptModel;
import io.distill.signal.SignalKind;
import io.distill.torchscript.HostTensor;
import io.distill.torchscript.ScriptModule;
import io.distill.torchscript.TorchScriptArchive;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** TorchScript archives, for this library's own reader and for libtorch. */
final class TorchScriptFaults {

  /** What a pickle that runs code would leave behind. */
  static final Path TRACE = Path.of(System.getProperty("java.io.tmpdir"), "distill-fault-ran");

  private static final String FORWARD =
      "def forward(self, input: Tensor) -> Tensor:\n  return torch.linear(input, self.weight, self.bias)";

  private final Faults faults;
  private final byte[] whole = whole();
  private final RawZip parts = RawZip.of(whole);

  private TorchScriptFaults(Faults faults) {
    this.faults = faults;
  }

  /** Faults for the reader in Java. */
  static List<Fault> own() {
    Faults faults = new Faults("archive of this library", "model.pt", TorchScriptFaults::readOwn);
    new TorchScriptFaults(faults).fill(true);
    return faults.all();
  }

  /** Faults for libtorch; they belong into a process of their own. */
  static List<Fault> foreign() {
    Faults faults = new Faults("TorchScript file", "model.pt", TorchScriptFaults::readForeign);
    TorchScriptFaults script = new TorchScriptFaults(faults);
    script.fill(false);
    script.sources();
    script.written();
    return faults.all();
  }

  private static String readOwn(Path path) {
    TorchScriptArchive archive = TorchScriptArchive.read(path);
    long count = archive.module().parameterCount();
    for (HostTensor tensor : archive.module().parameters().values()) {
      require(tensor.bytes().remaining() == tensor.shape().size() * tensor.type().getNumOfBytes());
    }
    return count + " parameters, extras " + archive.extras().keySet();
  }

  private static String readForeign(Path path) {
    try (TorchScriptModel model =
            TorchScriptModel.openTrusted(path, SignalReader.standard(), Device.cpu(), false);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      long count = model.parameterCount();
      NDArray input = manager.create(new float[] {1, 2, 3}, new ai.djl.ndarray.types.Shape(1, 3));
      String answer;
      try {
        answer = model.forward(new NDList(input), Set.of(SignalKind.LOGITS), false).logits() + "";
      } catch (RuntimeException e) {
        // a sound program may still not be one for this input
        answer = "no answer";
      }
      return count + " parameters, " + answer.lines().findFirst().orElse("");
    }
  }

  private static void require(boolean holds) {
    if (!holds) {
      throw new AssertionError("what was read does not hold together");
    }
  }

  private static byte[] whole() {
    ScriptModule module =
        ScriptModule.builder("Net")
            .parameter("weight", HostTensor.of(new float[] {1, 2, 3, 4, 5, 6}, 2, 3))
            .parameter("bias", HostTensor.of(new float[] {0.5f, -0.5f}, 2))
            .method(FORWARD)
            .build();
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try {
      new TorchScriptArchive(module, Map.of("note", "nothing")).writeTo(out);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return out.toByteArray();
  }

  private RawZip zip() {
    return parts.copy();
  }

  private void fill(boolean own) {
    faults.either("nothing wrong at all", whole);
    faults.either("nothing wrong, written anew", zip().bytes());
    faults.either("nothing wrong, pickled by hand", pickled(Pickle.net().weight().bias().netEnd()));
    faults.common(whole, 64, false, true);
    entries(own);
    sizes();
    directory();
    versions();
    globals();
    tensors();
    stack();
  }

  // ---- zip ----------------------------------------------------------------------------------

  private void entries(boolean own) {
    for (String name : List.of("/version", "/data.pkl", "/code/__torch__.py", "/data/0")) {
      faults.refused("without " + name, zip().without(name).bytes());
    }
    faults.either("without /constants.pkl", zip().without("/constants.pkl").bytes());
    byte[] pickle = zip().entry("/data.pkl").data;
    faults.refused("data.pkl twice", zip().plus("archive/data.pkl", pickle).bytes());
    faults.refused("data.pkl again as DATA.PKL", zip().plus("archive/DATA.PKL", pickle).bytes());
    faults.either("an unknown entry", zip().plus("archive/unknown", pickle).bytes());
    faults.either("a zip in the zip", zip().plus("archive/extra/nested.zip", whole).bytes());
    for (String name :
        List.of(
            "archive/../../evil",
            "/etc/passwd",
            "archive\\..\\..\\evil",
            "C:\\evil",
            "C:/evil",
            "archive//evil",
            "archive/./evil",
            "archive/evil\u0000.py",
            "archive/evil/",
            "..",
            "")) {
      faults.refused("an entry named '" + printable(name) + "'", zip().plus(name, pickle).bytes());
    }
    if (own) {
      faults.either("an entry in another folder", zip().plus("other/data.pkl", pickle).bytes());
    } else {
      faults.refused("an entry in another folder", zip().plus("other/data.pkl", pickle).bytes());
      RawZip flat = zip();
      flat.entries.forEach(each -> each.name = each.name.substring("archive/".length()));
      faults.refused("no folder", flat.bytes());
      faults.refused("the format before 1.4", zip().plus("archive/model.json", pickle).bytes());
    }
    RawZip many = zip();
    for (int i = 0; i < 20_000; i++) {
      many.plus("archive/extra/" + i, new byte[0]);
    }
    faults.either("20,000 entries", many.bytes());
    faults.refused("a directory alone", new RawZip().bytes());
    faults.refused("an encrypted entry", zip().with("/data/0", e -> e.flags |= 1).bytes());
    for (int method : new int[] {1, 9, 12, 14, 93, 99}) {
      faults.refused("method " + method, zip().with("/data/0", e -> e.method = method).bytes());
    }
  }

  private static String printable(String name) {
    return name.replace('\u0000', '?');
  }

  private void sizes() {
    for (String name : List.of("/data.pkl", "/data/0", "/code/__torch__.py")) {
      for (long size :
          new long[] {0, 1, Integer.MAX_VALUE, 0x80000000L, 0xfffffffeL, 0xffffffffL}) {
        faults.refused(
            name + " declares " + size + " bytes",
            zip().with(name, e -> e.size = e.storedBytes = size).bytes());
      }
      faults.refused(
          name + " declares 2^31-1 bytes unpacked",
          zip().with(name, e -> e.size = (long) Integer.MAX_VALUE).bytes());
      for (long size : new long[] {Long.MAX_VALUE, -1, 1L << 40}) {
        faults.refused(name + " declares " + size + " bytes of 64 bits", wide(name, size).bytes());
      }
      faults.refused(
          name + " has a bit flipped, unseen by its checksum",
          zip()
              .with(
                  name,
                  e -> {
                    e.checksum = e.checksum();
                    e.data = e.data.clone();
                    e.data[e.data.length / 2] ^= 1;
                  })
              .bytes());
      faults.refused(
          name + " has a wrong checksum", zip().with(name, e -> e.checksum = 1L).bytes());
      faults.refused(
          name + " unfolds to 1 GiB",
          zip().with(name, e -> RawZip.bomb(e, 1024, 1L << 30)).bytes());
      faults.refused(
          name + " unfolds to 1 GiB and declares 24 bytes",
          zip().with(name, e -> RawZip.bomb(e, 1024, 24)).bytes());
      faults.refused(
          name + " declares 2^31-1 bytes and unfolds to 1 MiB",
          zip().with(name, e -> RawZip.bomb(e, 1, Integer.MAX_VALUE)).bytes());
    }
    faults.refused(
        "a note that unfolds to 1 GiB",
        zip().with("/extra/note", e -> RawZip.bomb(e, 1024, 1L << 30)).bytes());
    RawZip overlapping = zip();
    overlapping.entry("/data/0").data = new byte[1 << 16];
    RawZip.Entry first = overlapping.entry("/data/0");
    for (int i = 0; i < 1000; i++) {
      RawZip.Entry again = new RawZip.Entry("archive/extra/" + i, first.data);
      again.listedOnly = true;
      again.start = start(overlapping, "/data/0");
      overlapping.entries.add(again);
    }
    faults.refused("1000 entries at one place", overlapping.bytes());
    RawZip inside = zip();
    RawZip.Entry whole = inside.entry("/extra/note");
    RawZip alone = new RawZip().plus("archive/extra/inside", whole.data);
    byte[] local =
        Arrays.copyOf(alone.bytes(), 30 + alone.entries.get(0).name.length() + whole.data.length);
    whole.data = local;
    RawZip.Entry same = alone.entries.get(0);
    same.listedOnly = true;
    same.start = start(inside, "/extra/note") + 30 + whole.name.length();
    inside.entries.add(same);
    faults.refused("an entry that is a part of another one", inside.bytes());
    faults.refused(
        "an entry inside of another one", zip().with("/data/1", e -> e.start = 0L).bytes());
    faults.refused(
        "an entry behind the file", zip().with("/data/1", e -> e.start = 0x7fffffffL).bytes());
    faults.refused(
        "an entry of another name in its place",
        zip().with("/data/1", e -> e.localName = "archive/data/7").bytes());
  }

  /** Where an entry of a zip that tells the truth so far starts. */
  private static long start(RawZip zip, String suffix) {
    long start = 0;
    for (RawZip.Entry each : zip.entries) {
      if (each.name.endsWith(suffix)) {
        return start;
      }
      start += 30 + each.name.getBytes(UTF_8).length + each.data.length;
    }
    throw new IllegalArgumentException(suffix);
  }

  private RawZip wide(String name, long size) {
    return zip()
        .with(
            name,
            e -> {
              e.size = e.storedBytes = 0xffffffffL;
              ByteBuffer extra = ByteBuffer.allocate(20).order(ByteOrder.LITTLE_ENDIAN);
              extra.putShort((short) 1).putShort((short) 16).putLong(size).putLong(size);
              e.extra = extra.array();
            });
  }

  private void directory() {
    for (int difference : new int[] {-1, 1, 1000}) {
      RawZip zip = zip();
      zip.countDifference = difference;
      faults.refused("counts " + difference + " entries more", zip.bytes());
    }
    for (long value : new long[] {0, Integer.MAX_VALUE, 0xfffffffeL, 0xffffffffL}) {
      RawZip start = zip();
      start.directoryStart = value;
      faults.refused("its directory starts at " + value, start.bytes());
      RawZip bytes = zip();
      bytes.directoryBytes = value;
      faults.refused("its directory has " + value + " bytes", bytes.bytes());
    }
    RawZip commented = zip();
    commented.comment = whole;
    faults.refused("another zip as its comment", commented.bytes());
    RawZip split = zip();
    split.disk = 1;
    faults.refused("a part of several", split.bytes());
    RawZip shifted = zip();
    shifted.before = new byte[1000];
    faults.refused("behind 1000 zeros", shifted.bytes());
    RawZip tar = zip();
    tar.before = "#!/bin/sh\n".getBytes(UTF_8);
    faults.refused("behind a script", tar.bytes());
    for (long at : new long[] {0, -1, Long.MAX_VALUE}) {
      RawZip wide = zip();
      ByteBuffer locator = ByteBuffer.allocate(76).order(ByteOrder.LITTLE_ENDIAN);
      locator.position(56);
      locator.putInt(0x07064b50).putInt(0).putLong(at).putInt(1);
      wide.wide = locator.array();
      faults.refused("a second directory at " + at, wide.bytes());
    }
    RawZip wide = zip();
    ByteBuffer other = ByteBuffer.allocate(76).order(ByteOrder.LITTLE_ENDIAN);
    other.putInt(0x06064b50).putLong(44).putInt(0).putInt(0).putInt(0);
    other.putLong(1L << 40).putLong(1L << 40).putLong(1L << 62).putLong(0);
    other.putInt(0x07064b50).putInt(0).putLong(whole.length - 22).putInt(1);
    wide.wide = other.array();
    faults.refused("a second directory that says something else", wide.bytes());
  }

  private void versions() {
    for (String version :
        List.of("", "0", "11", "-1", "10.5", "ten", "99999999999999999999", "10\n10")) {
      faults.refused(
          "version '" + version.replace("\n", "|") + "'", zip().data("/version", version).bytes());
    }
  }

  // ---- pickle -------------------------------------------------------------------------------

  private byte[] pickled(byte[] pickle) {
    return zip().data("/data.pkl", pickle).bytes();
  }

  private void globals() {
    String command = "touch " + TRACE;
    String[][] callees = {
      {"os", "system"},
      {"posix", "system"},
      {"subprocess", "call"},
      {"builtins", "eval"},
      {"builtins", "exec"},
      {"__builtin__", "eval"},
      {"builtins", "getattr"},
      {"runpy", "_run_code"},
      {"webbrowser", "open"},
      {"torch", "load"},
      {"torch.storage", "_load_from_bytes"},
      {"torch.hub", "load"},
      {"torch._utils", "_rebuild_sparse_tensor"},
      {"torch._tensor", "_rebuild_from_type_v2"},
      {"numpy.core.multiarray", "_reconstruct"},
      {"java.lang.Runtime", "exec"},
      {"torch.distributed.rpc", "rref"},
      {"__main__", "TensorID"},
      {"__torch__.torch.classes.dist_rpc", "WorkerInfo"},
      {"../../__torch__", "Net"},
      {"", ""}
    };
    for (String[] callee : callees) {
      String name = callee[0] + "." + callee[1];
      faults.refused(
          "calls " + name + " at once",
          pickled(
              Pickle.start().global(callee[0], callee[1]).op("(").text(command).op("tR.").bytes()));
      faults.refused(
          "calls " + name + " for an attribute",
          pickled(
              Pickle.net()
                  .text("evil")
                  .global(callee[0], callee[1])
                  .op("(")
                  .text(command)
                  .op("tR")
                  .weight()
                  .bias()
                  .netEnd()));
    }
    faults.refused(
        "makes an object of os.system",
        pickled(Pickle.start().global("os", "system").op(")").raw(0x81).op("}b.").bytes()));
    for (String constants : List.of("data.pkl", "constants.pkl")) {
      faults.either(
          "calls os.system in " + constants,
          zip()
              .data(
                  "/" + constants,
                  Pickle.start().global("os", "system").op("(").text(command).op("tR.").bytes())
              .bytes());
    }
  }

  private void tensors() {
    for (long count :
        new long[] {5, 7, 1L << 20, Integer.MAX_VALUE, 1L << 32, Long.MAX_VALUE, -1}) {
      faults.refused(
          "a storage of " + count + " elements over 6",
          tensor("FloatStorage", "0", count, 0, new long[] {2, 3}, new long[] {3, 1}));
    }
    for (String type :
        List.of(
            "DoubleStorage",
            "HalfStorage",
            "BoolStorage",
            "ComplexDoubleStorage",
            "QInt8Storage",
            "QUInt4x2Storage",
            "EvilStorage",
            "Storage",
            "../FloatStorage",
            "")) {
      faults.refused(
          "a storage of type " + type,
          tensor(type, "0", 6, 0, new long[] {2, 3}, new long[] {3, 1}));
    }
    for (String key : List.of("1", "7", "../version", "../../../etc/passwd", "")) {
      faults.refused(
          "a storage named '" + key + "'",
          tensor("FloatStorage", key, 6, 0, new long[] {2, 3}, new long[] {3, 1}));
    }
    long[][] shapes = {
      {7},
      {-2, -3},
      {-1},
      {Integer.MAX_VALUE},
      {1L << 32},
      {1L << 32, 1L << 32},
      {Long.MAX_VALUE},
      {Long.MIN_VALUE},
      {1L << 62, 4},
      {0, Long.MAX_VALUE, Long.MAX_VALUE},
    };
    for (long[] shape : shapes) {
      long[] strides = new long[shape.length];
      Arrays.fill(strides, 1);
      faults.refused(
          "a tensor of shape " + Arrays.toString(shape),
          tensor("FloatStorage", "0", 6, 0, shape, strides));
    }
    faults.refused(
        "a tensor that repeats one element 2^40 times",
        tensor("FloatStorage", "0", 6, 0, new long[] {1L << 40}, new long[] {0}));
    long[] many = new long[1000];
    Arrays.fill(many, 1);
    faults.refused("a tensor of 1000 dimensions", tensor("FloatStorage", "0", 6, 0, many, many));
    for (long offset : new long[] {1, 6, Integer.MAX_VALUE, Long.MAX_VALUE, -1, Long.MIN_VALUE}) {
      faults.refused(
          "a tensor at element " + offset,
          tensor("FloatStorage", "0", 6, offset, new long[] {2, 3}, new long[] {3, 1}));
    }
    long[][] allStrides = {
      {4, 1},
      {3, 2},
      {-3, 1},
      {3, -1},
      {Long.MAX_VALUE, 1},
      {1L << 62, 1L << 62},
      {3},
      {},
      {3, 1, 1}
    };
    for (long[] strides : allStrides) {
      faults.refused(
          "a tensor of strides " + Arrays.toString(strides),
          tensor("FloatStorage", "0", 6, 0, new long[] {2, 3}, strides));
    }
    faults.either(
        "a tensor that is a part of its storage",
        tensor("FloatStorage", "0", 6, 2, new long[] {2}, new long[] {1}));
    faults.either(
        "a weight of NaN",
        zip().data("/data/0", floats(Float.NaN, 2, 3, 4, 5, Float.POSITIVE_INFINITY)).bytes());
  }

  private static byte[] floats(float... values) {
    ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return bytes.array();
  }

  private byte[] tensor(
      String type, String key, long count, long offset, long[] shape, long[] strides) {
    return pickled(
        Pickle.net()
            .text("weight")
            .tensor(type, key, count, offset, shape, strides)
            .bias()
            .netEnd());
  }

  private void stack() {
    String[] instructions = {
      "",
      ".",
      "b.",
      "R.",
      "t.",
      "u.",
      "e.",
      "s.",
      "a.",
      "Q.",
      "(((((.",
      ")Q.",
      ")R.",
      "}u.",
      "(u.",
      "h\u0005.",
      "j\u00ff\u00ff\u00ff\u00ff.",
      "q\u0000.",
      "Nr\u00f0\u00ff\u00ff\u00ff.",
      "]].",
      "N.N",
      "NN.",
      "}(NNu.",
      "}(Nu.",
      "]q\u0000(h\u0000e.",
      "\u0087.",
      "\u0081.",
      "N)\u0081.",
      "X\u00ff\u00ff\u00ff\u007fab.",
      "X\u00ff\u00ff\u00ff\u00ffab.",
      "\u008a\u00ff12345678.",
      "\u008a\u0008123",
      "G123",
      "K",
      "cos\nsystem",
      "i__main__\nNet\n.",
      "(d.",
      "\u0080\u0004N.",
      "\u0095\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u007f.",
      "P0\n.",
      "}(K\u0001K\u0002u.",
      "]((((e.",
      "()u.",
      ")}b."
    };
    for (String each : instructions) {
      faults.refused("instructions " + printed(each), pickled(Pickle.start().op(each).bytes()));
    }
    faults.refused("protocol 4", pickled(new Pickle().raw(0x80, 4).op("N.").bytes()));
    faults.refused("protocol 0", pickled(new Pickle().op("(dp0\n.").bytes()));
    faults.refused(
        "100,000 tuples in each other",
        pickled(Pickle.start().op(")" + "\u0085".repeat(100_000) + ".").bytes()));
    faults.refused(
        "100,000 lists in each other",
        pickled(Pickle.start().op("]".repeat(100_000) + "a".repeat(99_999) + ".").bytes()));
    faults.refused(
        "a million marks", pickled(Pickle.start().op("(".repeat(1_000_000) + ".").bytes()));
    faults.refused(
        "a million dictionaries", pickled(Pickle.start().op("}".repeat(1_000_000) + ".").bytes()));
    Pickle modules = Pickle.net();
    for (int i = 0; i < 10_000; i++) {
      modules.text("child").global("__torch__", "Net").op(")").raw(0x81).op("}(");
    }
    modules.text("training").raw(0x89);
    for (int i = 0; i < 10_000; i++) {
      modules.op("ub");
    }
    faults.refused("10,000 modules in each other", pickled(modules.op("ub.").bytes()));
    faults.refused("an attribute twice", pickled(Pickle.net().weight().weight().bias().netEnd()));
    faults.either("an attribute too few", pickled(Pickle.net().weight().netEnd()));
    faults.either(
        "an attribute too many",
        pickled(Pickle.net().weight().bias().text("x").number(1).netEnd()));
    faults.either(
        "a number for a weight", pickled(Pickle.net().text("weight").number(1).bias().netEnd()));
    faults.refused(
        "an attribute that has no name",
        pickled(Pickle.net().weight().bias().op("N").number(1).netEnd()));
    faults.either(
        "an attribute named ../x",
        pickled(Pickle.net().weight().bias().text("../x").number(1).netEnd()));
    faults.refused(
        "a class without source",
        pickled(Pickle.start().global("__torch__", "Other").op(")").raw(0x81).op("}b.").bytes()));
    faults.refused(
        "a tensor instead of a module",
        pickled(
            Pickle.start()
                .tensor("FloatStorage", "0", 6, 0, new long[] {6}, new long[] {1})
                .op(".")
                .bytes()));
    Pickle repeated = Pickle.net().weight().bias();
    for (int i = 0; i < 20_000; i++) {
      repeated.text("w" + i).tensor("FloatStorage", "0", 6, 0, new long[] {6}, new long[] {1});
    }
    faults.either("one storage 20,000 times", pickled(repeated.netEnd()));
  }

  private static String printed(String instructions) {
    StringBuilder text = new StringBuilder();
    instructions
        .chars()
        .forEach(
            c -> text.append(c >= ' ' && c < 0x7f ? (char) c + "" : String.format("<%02x>", c)));
    return "'" + text + "'";
  }

  // ---- source: only libtorch compiles it ----------------------------------------------------

  private byte[] body(String expression) {
    return source("    return " + expression + "\n");
  }

  private byte[] source(String lines) {
    return code(
        "class Net(Module):\n"
            + "  __parameters__ = [\"weight\", \"bias\", ]\n  __buffers__ = []\n"
            + "  weight : Tensor\n  bias : Tensor\n  training : bool\n"
            + "  def forward(self: __torch__.Net, input: Tensor) -> Tensor:\n"
            + lines);
  }

  private byte[] code(String code) {
    return zip().data("/code/__torch__.py", code).bytes();
  }

  private void sources() {
    faults.either(
        "nothing wrong, source by hand", body("torch.linear(input, self.weight, self.bias)"));
    faults.refused("no source", code(""));
    faults.refused("source of zeros", code("\0".repeat(1000)));
    faults.refused(
        "source that is no text",
        zip()
            .data("/code/__torch__.py", new byte[] {(byte) 0xc3, (byte) 0x28, (byte) 0xff})
            .bytes());
    int deep = 100_000;
    faults.refused("100,000 brackets", body("(".repeat(deep) + "input" + ")".repeat(deep)));
    faults.refused("100,000 open brackets", body("(".repeat(deep)));
    faults.refused("100,000 lists", body("[".repeat(deep) + "]".repeat(deep)));
    faults.refused("100,000 signs", body("- ".repeat(deep) + "input"));
    faults.refused("100,000 negations", body("not ".repeat(deep) + "input"));
    faults.refused("100,000 sums", body("input" + " + input".repeat(deep)));
    faults.refused("100,000 names", body("input" + ".t".repeat(deep)));
    faults.refused("100,000 indices", body("input" + "[0]".repeat(deep)));
    faults.refused("100,000 calls", body("input" + "()".repeat(deep)));
    faults.refused("100,000 choices", body("input if True else ".repeat(deep) + "input"));
    faults.refused("100,000 conjunctions", body("True" + " and True".repeat(deep)));
    faults.refused("a name of a million letters", body("x".repeat(1_000_000)));
    faults.refused("a number of a million digits", body("1".repeat(1_000_000)));
    faults.refused("a text that does not end", body("\"\"\"" + "x".repeat(100_000)));
    StringBuilder blocks = new StringBuilder();
    for (int i = 0; i < 2000; i++) {
      blocks.append(" ".repeat(4 + i)).append("if True:\n");
    }
    faults.refused(
        "2000 blocks in each other", source(blocks + " ".repeat(2004) + "return input\n"));
    faults.refused(
        "a type of 10,000 lists",
        code(
            "class Net(Module):\n  weight : "
                + "List[".repeat(10_000)
                + "int"
                + "]".repeat(10_000)
                + "\n"));
    faults.refused(
        "a chain of 20,000 classes",
        code(chain(20_000) + "class Net(Module):\n  next : __torch__.C0\n"));
    faults.either(
        "a chain of 8000 classes",
        code(chain(8_000) + "class Net(Module):\n  next : __torch__.C0\n"));
    StringBuilder methods = new StringBuilder("    return self.m0(input)\n");
    for (int i = 0; i < 3000; i++) {
      methods
          .append("  def m")
          .append(i)
          .append("(self: __torch__.Net, input: Tensor) -> Tensor:\n    return self.m")
          .append(i + 1)
          .append("(input)\n");
    }
    faults.either(
        "a chain of 3000 methods",
        source(
            methods
                + "  def m3000(self: __torch__.Net, input: Tensor) -> Tensor:\n    return input\n"));
    faults.either("1000 sums", body("input" + " + input".repeat(1000)));
    faults.either("1000 negations", body("not ".repeat(1000) + "True"));
    faults.either("250 brackets", body("(".repeat(250) + "input" + ")".repeat(250)));
    faults.refused(
        "a million negations in brackets, a line each",
        body("(\")\", " + "not\n ".repeat(1_000_000) + "True)"));
    faults.refused(
        "a class that holds itself", code("class Net(Module):\n  weight : __torch__.Net\n"));
    faults.refused(
        "writes a file", source("    torch.save(input, \"" + TRACE + "\")\n    return input\n"));
    faults.refused(
        "writes a file with some space",
        source("    torch . save(input, \"" + TRACE + "\")\n    return input\n"));
    faults.refused(
        "writes a file by the operator's full name",
        source("    ops.aten.save(input, \"" + TRACE + "\")\n    return input\n"));
    faults.refused("reads a file", body("torch.from_file(\"/etc/passwd\", False, 8)"));
    faults.refused("creates a file", body("torch.from_file(\"" + TRACE + "\", True, 8)"));
    faults.refused(
        "uses a native class", body("__torch__.torch.classes.dist_rpc.WorkerInfo(\"a\", 1)"));
    faults.refused("calls an operator that there is not", body("ops.evil.run(input)"));
    faults.refused("calls Python", body("^PythonOp()(input)"));
    faults.either(
        "imports, which says nothing to libtorch",
        code("import os\n" + new String(zip().entry("/code/__torch__.py").data, UTF_8)));
    faults.either(
        "does not end, when called",
        source("    x = input\n    for i in range(1):\n      x = x + x\n    return x\n"));
  }

  private static String chain(int length) {
    StringBuilder classes = new StringBuilder();
    for (int i = 0; i < length; i++) {
      classes
          .append("class C")
          .append(i)
          .append("(Module):\n  next : __torch__.C")
          .append(i + 1)
          .append("\n");
    }
    return classes + "class C" + length + "(Module):\n  training : bool\n";
  }

  /** What libtorch itself writes: other headers, compressed sources, positions for messages. */
  private void written() {
    byte[] written = libtorchFile();
    faults.either("nothing wrong, written by libtorch", written);
    for (int i = 1; i <= 5; i++) {
      faults.refused(
          "written by libtorch, cut off at " + i + "/6",
          Arrays.copyOf(written, written.length * i / 6));
      byte[] flipped = written.clone();
      flipped[written.length * i / 6] ^= 0x10;
      faults.either("written by libtorch, a bit flipped at " + i + "/6", flipped);
    }
    // the positions say which of the texts beside them is meant
    RawZip zip = RawZip.of(written);
    for (int index : new int[] {99, 255}) {
      byte[] debug = zip.entry(".debug_pkl").data.clone();
      int at = indexOf(debug, new byte[] {'(', ']', '(', 'K'});
      debug[at + 4] = (byte) index;
      faults.refused(
          "a position in text " + index, RawZip.of(written).data(".debug_pkl", debug).bytes());
    }
    faults.refused(
        "positions that call os.system",
        RawZip.of(written)
            .data(".debug_pkl", Pickle.start().global("os", "system").op(")R.").bytes())
            .bytes());
  }

  private static int indexOf(byte[] bytes, byte[] wanted) {
    for (int i = 0; i + wanted.length <= bytes.length; i++) {
      if (Arrays.equals(bytes, i, i + wanted.length, wanted, 0, wanted.length)) {
        return i;
      }
    }
    throw new IllegalArgumentException("no positions in the file");
  }

  private byte[] libtorchFile() {
    try {
      Path directory = Files.createTempDirectory("distill-faults");
      Path file = Files.write(directory.resolve("own.pt"), whole);
      try (TorchScriptModel model =
          TorchScriptModel.openTrusted(file, SignalReader.standard(), Device.cpu(), false)) {
        model.writeTo(directory);
      }
      byte[] written = Files.readAllBytes(directory.resolve("model.pt"));
      io.distill.internal.AtomicFiles.deleteQuietly(directory);
      return written;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
