package io.distill.training.internal;

import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDArray;
import ai.djl.pytorch.jni.JniUtils;
import io.distill.exception.DistillationException;
import io.distill.torchscript.HostTensor;
import java.util.Map;

/** Puts saved values into the arrays of a run. */
final class Restoring {

  private Restoring() {}

  static void copy(String what, Map<String, HostTensor> saved, Map<String, NDArray> arrays) {
    if (!saved.keySet().equals(arrays.keySet())) {
      throw new DistillationException(
          what
              + " of a checkpoint must have the arrays "
              + arrays.keySet()
              + " but has "
              + saved.keySet()
              + "; resume with the recipe that wrote it");
    }
    boolean gradients = JniUtils.isGradMode();
    JniUtils.setGradMode(false);
    try {
      saved.forEach(
          (name, tensor) -> {
            NDArray array = requireNonNull(arrays.get(name));
            if (!tensor.shape().equals(array.getShape()) || tensor.type() != array.getDataType()) {
              throw new DistillationException(
                  what
                      + " '"
                      + name
                      + "' of a checkpoint must be "
                      + array.getDataType()
                      + " "
                      + array.getShape()
                      + " but was "
                      + tensor.type()
                      + " "
                      + tensor.shape()
                      + "; resume with the recipe that wrote it");
            }
            tensor.copyTo(array);
          });
    } finally {
      JniUtils.setGradMode(gradients);
    }
  }
}
