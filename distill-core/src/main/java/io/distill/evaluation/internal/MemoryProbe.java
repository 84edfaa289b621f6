package io.distill.evaluation.internal;

import ai.djl.pytorch.jni.JniUtils;
import com.google.gson.Gson;
import io.distill.data.TextDataset;
import io.distill.data.TextExample;
import io.distill.internal.NativeEngine;
import io.distill.model.DeployableModel;
import io.distill.signal.SignalKind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** Answers texts with a saved model, alone in its process, and tells the memory that it took. */
public final class MemoryProbe {

  /** The name of the file of texts. */
  public static final String TEXTS = "texts.json";

  /** The name of the file that the reading goes to. */
  public static final String READING = "reading.json";

  private static final long KIBIBYTE = 1024;

  private MemoryProbe() {}

  /** What was read, in bytes. */
  public record Reading(long peakBytes, long engineBytes) {}

  /** Measures the model in a directory. */
  public static void main(String[] arguments) throws IOException {
    Path directory = Path.of(arguments[0]);
    Gson gson = new Gson();
    NativeEngine.prepareThread();
    JniUtils.setNumThreads(1);
    long engine = status("VmRSS:");
    String[] texts = gson.fromJson(Files.readString(directory.resolve(TEXTS)), String[].class);
    // the process that started this one has just saved it, from memory
    try (DeployableModel model = DeployableModel.loadTrusted(directory.resolve("model"))) {
      boolean classifies = model.model().provides().contains(SignalKind.LOGITS);
      int answers = 0;
      for (String text : texts) {
        answers += (classifies ? model.logits(text) : model.embedding(text)).length;
      }
      TextDataset all = TextDataset.of(Arrays.stream(texts).map(TextExample::unlabelled));
      answers += (classifies ? model.logits(all) : model.embeddings(all)).length;
      if (answers == 0) {
        throw new IOException("the model answered with nothing");
      }
    }
    Reading reading = new Reading(status("VmHWM:"), engine);
    Files.writeString(directory.resolve(READING), gson.toJson(reading));
  }

  private static long status(String name) throws IOException {
    List<String> lines = Files.readAllLines(Path.of("/proc/self/status"));
    for (String line : lines) {
      if (line.startsWith(name)) {
        return Long.parseLong(line.replaceAll("[^0-9]", "")) * KIBIBYTE;
      }
    }
    throw new IOException("/proc/self/status has no " + name);
  }
}
