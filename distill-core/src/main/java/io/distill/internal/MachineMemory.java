package io.distill.internal;

import ai.djl.Device;
import ai.djl.util.cuda.CudaUtils;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryUsage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * The memory of a device.
 *
 * @param totalBytes what there is: of a container, its limit
 * @param freeBytes what can be had now
 */
public record MachineMemory(long totalBytes, long freeBytes) {

  private static final Path LINUX = Path.of("/proc/meminfo");
  private static final long KILOBYTE = 1024;

  /** Reads the memory of a device; empty if the system does not tell. */
  public static Optional<MachineMemory> of(Device device) {
    if (device.isGpu()) {
      return gpu(device);
    }
    if (ManagementFactory.getOperatingSystemMXBean() instanceof OperatingSystemMXBean system) {
      long total = system.getTotalMemorySize();
      return total <= 0
          ? Optional.empty()
          : Optional.of(new MachineMemory(total, free(total, system.getFreeMemorySize())));
    }
    return Optional.empty();
  }

  /**
   * Linux keeps files in memory that it gives up at need: they count as used in what Java calls
   * free, but are available. Within a container Java's number is the one to take.
   */
  private static long free(long total, long free) {
    OptionalLong all = linux("MemTotal:");
    OptionalLong available = linux("MemAvailable:");
    if (all.isEmpty() || available.isEmpty()) {
      return free;
    }
    boolean limited = total < all.getAsLong();
    return limited ? Math.min(free, available.getAsLong()) : Math.max(free, available.getAsLong());
  }

  private static OptionalLong linux(String field) {
    if (!Files.isReadable(LINUX)) {
      return OptionalLong.empty();
    }
    try {
      List<String> lines = Files.readAllLines(LINUX);
      return lines.stream()
          .filter(line -> line.startsWith(field))
          .map(line -> line.replaceAll("\\D", ""))
          .filter(digits -> !digits.isEmpty())
          .mapToLong(digits -> Long.parseLong(digits) * KILOBYTE)
          .findFirst();
    } catch (IOException | NumberFormatException e) {
      return OptionalLong.empty();
    }
  }

  private static Optional<MachineMemory> gpu(Device device) {
    try {
      MemoryUsage usage = CudaUtils.getGpuMemory(device);
      return Optional.of(new MachineMemory(usage.getMax(), usage.getMax() - usage.getUsed()));
    } catch (RuntimeException | LinkageError e) {
      // no driver that DJL can ask
      return Optional.empty();
    }
  }
}
