package io.distill.faults;

import io.distill.internal.AtomicFiles;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Consumer;
import java.util.zip.CRC32;
import java.util.zip.Deflater;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

/** Writes zip files of which every field can be a lie. */
final class RawZip {

  /** One entry; fields that are null tell the truth. */
  static final class Entry {
    String name;
    byte[] data;
    int method;
    int flags = 0x800;
    Long checksum;
    Long size;
    Long storedBytes;
    Long start;
    String localName;
    byte[] extra = new byte[0];
    boolean listedOnly;

    Entry(String name, byte[] data) {
      this.name = name;
      this.data = data;
    }

    long checksum() {
      if (checksum != null) {
        return checksum;
      }
      CRC32 crc = new CRC32();
      crc.update(data);
      return crc.getValue();
    }

    private long size() {
      return size == null ? data.length : size;
    }

    private long storedBytes() {
      return storedBytes == null ? data.length : storedBytes;
    }
  }

  final List<Entry> entries = new ArrayList<>();
  byte[] before = new byte[0];
  int countDifference;
  Long directoryStart;
  Long directoryBytes;
  int disk;
  byte[] comment = new byte[0];
  byte[] wide = new byte[0];

  static RawZip of(byte[] zip) {
    RawZip raw = new RawZip();
    Path file = null;
    try {
      file = Files.createTempFile("distill-fault", ".zip");
      Files.write(file, zip);
      try (ZipFile open = new ZipFile(file.toFile())) {
        for (ZipEntry entry : Collections.list(open.entries())) {
          try (InputStream in = open.getInputStream(entry)) {
            raw.entries.add(new Entry(entry.getName(), in.readAllBytes()));
          }
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } finally {
      AtomicFiles.deleteQuietly(file);
    }
    return raw;
  }

  /** Copies the entries, which tell the truth so far. */
  RawZip copy() {
    RawZip copy = new RawZip();
    entries.forEach(each -> copy.entries.add(new Entry(each.name, each.data)));
    return copy;
  }

  Entry entry(String suffix) {
    return entries.stream().filter(each -> each.name.endsWith(suffix)).findFirst().orElseThrow();
  }

  RawZip with(String suffix, Consumer<Entry> change) {
    change.accept(entry(suffix));
    return this;
  }

  RawZip data(String suffix, byte[] data) {
    entry(suffix).data = data;
    return this;
  }

  RawZip data(String suffix, String data) {
    return data(suffix, data.getBytes(StandardCharsets.UTF_8));
  }

  RawZip without(String suffix) {
    entries.remove(entry(suffix));
    return this;
  }

  RawZip plus(String name, byte[] data) {
    entries.add(new Entry(name, data));
    return this;
  }

  byte[] bytes() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(before);
    ByteArrayOutputStream directory = new ByteArrayOutputStream();
    int count = 0;
    for (Entry entry : entries) {
      byte[] name = entry.name.getBytes(StandardCharsets.UTF_8);
      long start = out.size();
      if (!entry.listedOnly) {
        byte[] local =
            entry.localName == null ? name : entry.localName.getBytes(StandardCharsets.UTF_8);
        byte[] localHeader = new byte[30];
        ByteBuffer header = buffer(localHeader);
        header.putInt(0x04034b50).putShort((short) 20).putShort((short) entry.flags);
        header.putShort((short) entry.method).putInt(0).putInt((int) entry.checksum());
        header.putInt((int) entry.storedBytes()).putInt((int) entry.size());
        header.putShort((short) local.length).putShort((short) 0);
        out.writeBytes(localHeader);
        out.writeBytes(local);
        out.writeBytes(entry.data);
      }
      byte[] listed = new byte[46];
      ByteBuffer header = buffer(listed);
      header.putInt(0x02014b50).putShort((short) 20).putShort((short) 20);
      header.putShort((short) entry.flags).putShort((short) entry.method).putInt(0);
      header.putInt((int) entry.checksum()).putInt((int) entry.storedBytes());
      header.putInt((int) entry.size()).putShort((short) name.length);
      header.putShort((short) entry.extra.length).putShort((short) 0).putShort((short) 0);
      header.putShort((short) 0).putInt(0);
      header.putInt((int) (entry.start == null ? start : entry.start));
      directory.writeBytes(listed);
      directory.writeBytes(name);
      directory.writeBytes(entry.extra);
      count++;
    }
    long start = out.size();
    out.writeBytes(directory.toByteArray());
    out.writeBytes(wide);
    byte[] last = new byte[22];
    ByteBuffer end = buffer(last);
    end.putInt(0x06054b50).putShort((short) disk).putShort((short) disk);
    end.putShort((short) (count + countDifference)).putShort((short) (count + countDifference));
    end.putInt((int) (directoryBytes == null ? directory.size() : directoryBytes));
    end.putInt((int) (directoryStart == null ? start : directoryStart));
    end.putShort((short) comment.length);
    out.writeBytes(last);
    out.writeBytes(comment);
    return out.toByteArray();
  }

  private static ByteBuffer buffer(byte[] header) {
    return ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** Packs a mebibyte of one value so that its bytes can be repeated, and does so. */
  static byte[] deflatedRepeats(byte value, int mebibytes) {
    byte[] block = new byte[1 << 20];
    java.util.Arrays.fill(block, value);
    Deflater deflater = new Deflater(Deflater.BEST_COMPRESSION, true);
    deflater.setInput(block);
    byte[] packed = new byte[1 << 14];
    int length = deflater.deflate(packed, 0, packed.length, Deflater.FULL_FLUSH);
    deflater.end();
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (int i = 0; i < mebibytes; i++) {
      out.write(packed, 0, length);
    }
    out.write(3);
    out.write(0);
    return out.toByteArray();
  }

  /** Makes an entry unfold to many mebibytes of zeros. */
  static void bomb(Entry entry, int mebibytes, long declared) {
    entry.data = deflatedRepeats((byte) 0, mebibytes);
    entry.method = 8;
    entry.size = declared;
    CRC32 crc = new CRC32();
    byte[] block = new byte[1 << 20];
    for (int i = 0; i < mebibytes; i++) {
      crc.update(block);
    }
    entry.checksum = crc.getValue();
  }
}
