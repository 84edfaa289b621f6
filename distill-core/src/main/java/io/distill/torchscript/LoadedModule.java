package io.distill.torchscript;

import static java.util.Objects.requireNonNull;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.util.Pair;
import com.google.common.base.Throwables;
import com.google.common.collect.Iterables;
import com.google.common.util.concurrent.Uninterruptibles;
import io.distill.exception.DistillationException;
import io.distill.internal.AtomicFiles;
import io.distill.internal.NativeEngine;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/**
 * A TorchScript module in native memory; its methods run with one native call each.
 *
 * <p>Calls without gradients may come from several threads at once. Whoever loads a module closes
 * it.
 */
public final class LoadedModule implements AutoCloseable {

  private static final int LONGEST_REASON = 1000;
  private static final int MOST_NAMED = 5;

  /** Only address space: pages that are not touched cost nothing. */
  private static final long COMPILER_STACK_BYTES = 512L << 20;

  private final Model model;
  private final PtSymbolBlock block;
  private final NDManager manager;
  private final Map<String, NDArray> methodSelectors = new ConcurrentHashMap<>();
  private final Map<String, NDArray> parameters;
  private boolean training;

  private LoadedModule(Model model, boolean trainable) {
    this.model = model;
    this.block = (PtSymbolBlock) model.getBlock();
    this.manager = model.getNDManager();
    Map<String, NDArray> named = new LinkedHashMap<>();
    for (Pair<String, Parameter> parameter : block.getDirectParameters()) {
      named.put(parameter.getKey(), parameter.getValue().getArray());
    }
    this.parameters = Collections.unmodifiableMap(named);
    if (!trainable) {
      named.values().stream()
          .filter(NDArray::hasGradient)
          .forEach(array -> array.setRequiresGradient(false));
    }
    JniUtils.enableInferenceMode(block);
  }

  /**
   * Loads a TorchScript file that the caller trusts, from this library or from PyTorch.
   *
   * <p>The file is checked before libtorch sees it: the zip and all checksums, that tensors stay
   * inside of their storages, that nothing but tensors and modules is built, and that the source
   * neither names files nor is nested without end. What passes is still a program, compiled and run
   * by libtorch: it can take time and memory. Load files only from where you would take a library.
   *
   * @param file the file
   * @param device where it lives
   * @param trainable whether its parameters get gradients; those that were frozen when the file was
   *     written stay so
   * @return the module, in inference mode
   * @throws DistillationException if the file is missing, damaged, does what no model needs, or
   *     libtorch refuses it
   */
  public static LoadedModule loadTrusted(Path file, Device device, boolean trainable) {
    requireNonNull(device, "device");
    requireFile(file);
    try {
      ArchiveCheck.require(file);
    } catch (IOException | DistillationException e) {
      throw refused(file, e);
    }
    return loadChecked(file, device, trainable);
  }

  /**
   * Loads another state of this very module. Nothing of the file can run but what this module
   * already is: its source files, classes and constants must be byte for byte those that this
   * module has when it is written.
   *
   * @param file a file that {@link #writeTo} wrote, of this module or one from the same file
   * @param device where it lives
   * @param trainable whether its parameters get gradients
   * @return the module, in inference mode; this one stays open
   * @throws DistillationException if the file is missing, damaged, or another program: libtorch has
   *     not seen it then
   */
  public LoadedModule reload(Path file, Device device, boolean trainable) {
    requireFile(file);
    training(false);
    requireSameProgram(file, block);
    return loadChecked(file, device, trainable);
  }

  /**
   * Loads another state of the TorchScript block of a DJL model in its place, with the checks of
   * {@link #reload}.
   *
   * @param file the file
   * @param model the model on the PyTorch engine whose block is a TorchScript module
   * @param trainable whether its parameters get gradients
   * @throws DistillationException if the file is missing, damaged, or another program: libtorch has
   *     not seen it then, and the model keeps its block
   */
  public static void reloadInto(Path file, Model model, boolean trainable) {
    requireFile(file);
    PtSymbolBlock present = (PtSymbolBlock) model.getBlock();
    JniUtils.enableInferenceMode(present);
    requireSameProgram(file, present);
    try {
      model.setBlock(block(file, model, trainable));
    } catch (RuntimeException e) {
      throw refused(file, e);
    }
  }

  private static void requireSameProgram(Path file, PtSymbolBlock present) {
    try {
      ArchiveCheck.require(file);
    } catch (IOException | DistillationException e) {
      throw refused(file, e);
    }
    Path directory = null;
    try {
      directory = Files.createTempDirectory("distill");
      Path written = directory.resolve("module.pt");
      try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(written), 1 << 16)) {
        JniUtils.writeModule(present, out, false);
      }
      Set<String> differences = ArchiveProgram.of(written).differences(ArchiveProgram.of(file));
      if (!differences.isEmpty()) {
        throw new DistillationException(
            "TorchScript file "
                + file
                + " must hold the program of the model that it is read into but is another one ("
                + String.join(", ", Iterables.limit(differences, MOST_NAMED))
                + "); nothing of it was run; read a file that this model wrote");
      }
    } catch (IOException e) {
      throw new DistillationException(
          "program of "
              + file
              + " must be compared with that of the model in a temporary directory but could not be"
              + " ("
              + e
              + "); set java.io.tmpdir",
          e);
    } finally {
      AtomicFiles.deleteQuietly(directory);
    }
  }

  private static void requireFile(Path file) {
    if (!Files.isRegularFile(file)) {
      throw new DistillationException(
          "TorchScript file must exist but " + file + " does not; check the path");
    }
  }

  private static LoadedModule loadChecked(Path file, Device device, boolean trainable) {
    NativeEngine.prepareThread();
    Model model = NativeEngine.engine().newModel("module", device);
    try {
      // not Model.load, which would unfreeze parameters that the file says are frozen
      model.setBlock(block(file, model, trainable));
      return new LoadedModule(model, trainable);
    } catch (RuntimeException e) {
      model.close();
      throw refused(file, e);
    }
  }

  /** Runs libtorch's compiler, which works by recursion, on a stack that is large enough. */
  private static Block block(Path file, Model model, boolean trainable) {
    FutureTask<Block> loading =
        new FutureTask<>(
            () ->
                JniUtils.loadModule(
                    (PtNDManager) model.getNDManager(),
                    file.toAbsolutePath(),
                    false,
                    new String[0],
                    new String[0],
                    trainable));
    Thread thread = new Thread(null, loading, "distill-torchscript", COMPILER_STACK_BYTES);
    thread.setDaemon(true);
    thread.start();
    try {
      return requireNonNull(Uninterruptibles.getUninterruptibly(loading));
    } catch (ExecutionException e) {
      Throwables.throwIfUnchecked(requireNonNull(e.getCause()));
      throw new DistillationException("libtorch could not load " + file, e);
    }
  }

  private static DistillationException refused(Path file, Exception e) {
    return new DistillationException(
        "TorchScript file "
            + file
            + " must be a module saved with torch.jit.save or by this library but "
            + (e instanceof DistillationException || e instanceof IOException
                ? "is damaged or unsafe"
                : "libtorch refused it")
            + " ("
            + firstLine(e)
            + "); save it again",
        e);
  }

  /**
   * Loads a module made in Java.
   *
   * @param module the module
   * @param device where it lives
   * @param trainable whether its parameters get gradients
   * @return the loaded module, in inference mode
   * @throws DistillationException if libtorch refuses its source
   */
  public static LoadedModule load(ScriptModule module, Device device, boolean trainable) {
    Path directory = null;
    try {
      directory = Files.createTempDirectory("distill");
      Path file = directory.resolve("module.pt");
      try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file), 1 << 16)) {
        new TorchScriptArchive(module).writeTo(out);
      }
      return loadChecked(file, device, trainable);
    } catch (IOException e) {
      throw new DistillationException(
          "temporary directory must be writable to load a module but was not ("
              + e.getMessage()
              + "); set java.io.tmpdir",
          e);
    } finally {
      AtomicFiles.deleteQuietly(directory);
    }
  }

  /**
   * Calls a method.
   *
   * @param method its name
   * @param inputs its tensors; names ending in {@code []} gather into a list. The result is
   *     attached to the manager of the first one
   * @param gradients whether the call is recorded for a backward pass; its results may take part in
   *     one either way, as a teacher's signals do
   * @return the outputs; entries of a dictionary carry their keys as names
   */
  public NDList call(String method, NDList inputs, boolean gradients) {
    NDList arguments = new NDList(inputs.size() + 1);
    arguments.addAll(inputs);
    arguments.add(methodSelectors.computeIfAbsent(method, this::selector));
    if (gradients || !JniUtils.isGradMode()) {
      return IValueUtils.forward(block, arguments, true);
    }
    // not DJL's inference mode, whose results cannot be saved for the backward pass of a product
    JniUtils.setGradMode(false);
    try {
      return IValueUtils.forward(block, arguments, true);
    } finally {
      JniUtils.setGradMode(true);
    }
  }

  private NDArray selector(String method) {
    NDArray selector = manager.create(0f);
    selector.setName("module_method:" + method);
    return selector;
  }

  /**
   * Calls a method with prepared arguments and without gradients.
   *
   * @param method its name
   * @param arguments its arguments
   * @return the result; the caller closes it
   */
  public IValue run(String method, IValue... arguments) {
    return IValueUtils.runMethod(block, method, arguments);
  }

  /**
   * Switches between training mode (dropout acts) and inference mode.
   *
   * @param training whether dropout acts
   */
  public void training(boolean training) {
    if (this.training != training) {
      this.training = training;
      if (training) {
        JniUtils.enableTrainingMode(block);
      } else {
        JniUtils.enableInferenceMode(block);
      }
    }
  }

  /**
   * Returns the parameters as native arrays; they are the module's own.
   *
   * @return arrays by dotted name
   */
  public Map<String, NDArray> parameters() {
    return parameters;
  }

  /**
   * Returns the manager that owns the parameters.
   *
   * @return the module's manager
   */
  public NDManager manager() {
    return manager;
  }

  /**
   * Writes the module with its present weights, as libtorch does.
   *
   * @param out the stream; left open
   */
  public void writeTo(OutputStream out) {
    JniUtils.writeModule(block, out, false);
  }

  @Override
  public void close() {
    model.close();
  }

  private static String firstLine(Throwable error) {
    String message = String.valueOf(error.getMessage()).strip();
    int end = message.indexOf('\n');
    String line = end < 0 ? message : message.substring(0, end);
    return line.length() <= LONGEST_REASON ? line : line.substring(0, LONGEST_REASON) + "...";
  }
}
