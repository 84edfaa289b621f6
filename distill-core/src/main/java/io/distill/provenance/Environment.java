package io.distill.provenance;

import static java.util.Objects.requireNonNull;

import java.util.ArrayList;
import java.util.List;

/**
 * What a run ran on. Weights are the same bit for bit only where all of this is. Names no machine,
 * user or path.
 *
 * @param library the version of this library
 * @param djl the version of DJL
 * @param libtorch the version of the native engine
 * @param java the version of the JDK, with its vendor
 * @param system the operating system and processor architecture
 * @param device where the student learned, such as {@code cpu}
 * @param threads the number of threads of the native engine
 * @param processors the number of processors
 */
public record Environment(
    String library,
    String djl,
    String libtorch,
    String java,
    String system,
    String device,
    int threads,
    int processors) {

  /**
   * Checks that all is there.
   *
   * @param library the version of this library
   * @param djl the version of DJL
   * @param libtorch the version of the native engine
   * @param java the version of the JDK, with its vendor
   * @param system the operating system and processor architecture
   * @param device where the student learned
   * @param threads the number of threads of the native engine
   * @param processors the number of processors
   */
  public Environment {
    requireNonNull(library, "library");
    requireNonNull(djl, "djl");
    requireNonNull(libtorch, "libtorch");
    requireNonNull(java, "java");
    requireNonNull(system, "system");
    requireNonNull(device, "device");
  }

  /**
   * Says what may make bits differ in another environment: the number of processors does not count.
   *
   * @param later the other environment
   * @return sentences such as {@code threads was 4 and is 1}; empty if none
   */
  public List<String> differences(Environment later) {
    List<String> differences = new ArrayList<>();
    compare(differences, "library", library, later.library);
    compare(differences, "djl", djl, later.djl);
    compare(differences, "libtorch", libtorch, later.libtorch);
    compare(differences, "java", java, later.java);
    compare(differences, "system", system, later.system);
    compare(differences, "device", device, later.device);
    compare(differences, "threads", threads, later.threads);
    return differences;
  }

  private static void compare(List<String> differences, String name, Object was, Object is) {
    if (!was.equals(is)) {
      differences.add(name + " was " + was + " and is " + is);
    }
  }
}
