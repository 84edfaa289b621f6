/**
 * The file of a teacher cache: its blocks, its index, and how signals become bytes; for the library
 * only.
 *
 * <p>A cache is one append-only file. It starts with 16 bytes: the magic {@code DISTILLC}, the
 * format version (int32) and the CRC32C of those 12 bytes. Everything after is blocks; all numbers
 * are little-endian:
 *
 * <pre>{@code
 * mark int32 | type int32 | number int32 | meta length int32 | payload length int64
 *   | CRC32C of meta int32 | CRC32C of the 28 bytes before int32 | meta | payload
 * }</pre>
 *
 * <ul>
 *   <li>{@code HEADER} (always the first): who the teacher is, as JSON;
 *   <li>{@code TOKENIZER}: its tokenizer.json;
 *   <li>{@code LAYOUT}: shape and coding of one kind of signals, as JSON;
 *   <li>{@code TABLES}: what was learned of a teacher's distributions to code them well;
 *   <li>{@code ROWS}: in the meta part a directory with key, digest of the inputs, length and
 *       CRC32C of each row's record; in the payload the records themselves.
 * </ul>
 *
 * <p>A file is opened by walking over the blocks, which reads all meta parts and no payload: the
 * index in memory is made anew each time and can never disagree with the file. Records are read by
 * positional reads, so a file may be larger than memory, and one that shrinks under a reader gives
 * an exception where a memory map would end the process.
 */
@NullMarked
package io.distill.teacher.internal;

import org.jspecify.annotations.NullMarked;
