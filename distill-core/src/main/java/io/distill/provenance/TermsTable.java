package io.distill.provenance;

import static java.util.Objects.requireNonNull;

import io.distill.exception.DistillationException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * Known licences and terms of service, and what they say about training other models on outputs.
 *
 * <p>The shipped table is information, not legal advice. Each row names the clause, the address of
 * the terms and the date on which somebody looked; rows written from memory say so. A table of
 * one's own is a UTF-8 file of the same form: one row a line, columns separated by tabs,
 *
 * <pre>{@code
 * id  aliases (separated by blanks)  name  kind  training others  clause  url  checked  source
 * }</pre>
 *
 * <p>with {@code -} for an empty column, and comments after {@code #} at the start of a line. Its
 * rows are put before the shipped ones with {@link #over}.
 */
public final class TermsTable {

  private static final String SHIPPED = "terms.tsv";
  private static final int MAXIMUM_BYTES = 1 << 20;
  private static final String EMPTY = "-";
  private static final int COLUMNS = 9;

  private final Map<String, Terms> byName;
  private final List<Terms> rows;

  private TermsTable(Map<String, Terms> byName) {
    this.byName = byName;
    this.rows = byName.values().stream().distinct().toList();
  }

  /** The shipped table, read once. */
  private static final class Shipped {
    static final TermsTable TABLE = load();

    private static TermsTable load() {
      try (InputStream in = TermsTable.class.getResourceAsStream(SHIPPED)) {
        byte[] bytes = requireNonNull(in, SHIPPED).readAllBytes();
        return parse(new String(bytes, StandardCharsets.UTF_8), "table of terms " + SHIPPED);
      } catch (IOException e) {
        throw new DistillationException(
            "table of terms must be on the class path but could not be read (" + e + ")", e);
      }
    }
  }

  /**
   * Returns the table that comes with the library.
   *
   * @return well-known licences and services
   */
  public static TermsTable shipped() {
    return Shipped.TABLE;
  }

  /**
   * Returns a table of rows that are given in code.
   *
   * @param rows the rows
   * @return the table
   * @throws DistillationException if two rows have the same id
   */
  public static TermsTable of(Terms... rows) {
    Map<String, Terms> byName = new LinkedHashMap<>();
    for (Terms row : rows) {
      put(byName, row.id(), row, "table of terms");
    }
    return new TermsTable(byName);
  }

  /**
   * Reads a table from a file.
   *
   * @param file a UTF-8 file of at most one mebibyte
   * @return the table
   * @throws DistillationException if the file is missing, too large, or a line is wrong
   */
  public static TermsTable read(Path file) {
    String what = "table of terms " + file;
    try {
      long size = Files.size(file);
      if (!Files.isRegularFile(file) || size > MAXIMUM_BYTES) {
        throw new DistillationException(
            what + " must be a file of at most " + MAXIMUM_BYTES + " bytes but has " + size);
      }
      byte[] bytes = Files.readAllBytes(file);
      return parse(
          StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString(), what);
    } catch (CharacterCodingException e) {
      throw new DistillationException(what + " must be UTF-8 but is not; save it as UTF-8", e);
    } catch (IOException e) {
      throw new DistillationException(
          what + " must be readable but was not (" + e + "); check the path", e);
    }
  }

  private static TermsTable parse(String text, String what) {
    Map<String, Terms> byName = new LinkedHashMap<>();
    int number = 0;
    for (String line : text.lines().toList()) {
      number++;
      if (line.isBlank() || line.startsWith("#")) {
        continue;
      }
      String where = what + " line " + number;
      String[] columns = line.split("\t", -1);
      if (columns.length != COLUMNS) {
        throw new DistillationException(
            where + " must have " + COLUMNS + " columns but has " + columns.length);
      }
      Terms terms = row(columns, where);
      put(byName, terms.id(), terms, where);
      if (!columns[1].equals(EMPTY)) {
        for (String alias : columns[1].split(" ", -1)) {
          put(byName, alias, terms, where);
        }
      }
    }
    return new TermsTable(byName);
  }

  private static Terms row(String[] columns, String where) {
    try {
      return new Terms(
          columns[0],
          columns[2],
          Terms.Kind.valueOf(columns[3]),
          Terms.Permission.valueOf(columns[4]),
          columns[5].equals(EMPTY) ? "" : columns[5],
          columns[6].equals(EMPTY) ? Optional.empty() : Optional.of(columns[6]),
          columns[7].equals(EMPTY) ? Optional.empty() : Optional.of(LocalDate.parse(columns[7])),
          Terms.Source.valueOf(columns[8]));
    } catch (IllegalArgumentException | DateTimeParseException e) {
      throw new DistillationException(
          where + " must be a row of terms but was refused (" + e.getMessage() + ")", e);
    }
  }

  private static void put(Map<String, Terms> byName, String name, Terms terms, String where) {
    if (name.isBlank() || byName.putIfAbsent(key(name), terms) != null) {
      throw new DistillationException(
          where + " must have names that no other row has but has '" + name + "'");
    }
  }

  private static String key(String name) {
    return name.strip().toLowerCase(Locale.ROOT);
  }

  /**
   * Returns this table before another: where both know a name, this one is asked.
   *
   * @param other the other table, such as {@link #shipped()}
   * @return both tables
   */
  public TermsTable over(TermsTable other) {
    Map<String, Terms> both = new LinkedHashMap<>(byName);
    other.byName.forEach(both::putIfAbsent);
    return new TermsTable(both);
  }

  /**
   * Looks a licence or service up.
   *
   * @param name its id or another name of it; case does not matter
   * @return its terms
   */
  public Optional<Terms> find(String name) {
    return Optional.ofNullable(byName.get(key(name)));
  }

  /**
   * Returns all rows.
   *
   * @return each row once, in the order of the table
   */
  public List<Terms> rows() {
    return rows;
  }

  /** Returns the ids of all hosted services. */
  List<String> services() {
    List<String> ids = new ArrayList<>();
    for (Terms row : rows) {
      if (row.kind() == Terms.Kind.SERVICE) {
        ids.add(row.id());
      }
    }
    return ids;
  }
}
