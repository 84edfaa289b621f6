package io.distill.internal;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.jni.JniUtils;
import io.distill.exception.DistillationException;

/** The PyTorch engine of DJL, started without ever downloading anything. */
public final class NativeEngine {

  /** The name under which DJL knows the engine. */
  public static final String NAME = "PyTorch";

  private static final String OFFLINE = "ai.djl.offline";

  private NativeEngine() {}

  static {
    if (System.getenv("DJL_OFFLINE") == null && System.getProperty(OFFLINE) == null) {
      // DJL would otherwise download missing natives; the library promises never to.
      System.setProperty(OFFLINE, "true");
    }
  }

  /** Returns the engine; the first call loads the native library from the class path. */
  public static Engine engine() {
    try {
      return Engine.getEngine(NAME);
    } catch (RuntimeException | LinkageError e) {
      throw new DistillationException(
          "DJL's PyTorch native library must be on the class path but could not be loaded ("
              + e.getMessage()
              + "); add ai.djl.pytorch:pytorch-native-cpu (with the classifier of this platform,"
              + " such as linux-x86_64) and ai.djl.pytorch:pytorch-jni as runtime dependencies",
          e);
    }
  }

  /** Returns the device to use when the user names none: the first GPU, else the CPU. */
  public static Device defaultDevice() {
    return engine().defaultDevice();
  }

  /** Returns a new manager on a device; the caller closes it. */
  public static NDManager newManager(Device device) {
    return engine().newBaseManager(device);
  }

  /**
   * Prepares the calling thread: interprets TorchScript as written. Profiling and re-optimising for
   * each new input shape (the default) costs the first calls seconds and was not faster later.
   */
  public static void prepareThread() {
    engine();
    JniUtils.setGraphExecutorOptimize(false);
  }
}
