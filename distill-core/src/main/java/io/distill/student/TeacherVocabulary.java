package io.distill.student;

import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.types.Shape;
import com.google.gson.JsonElement;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.internal.StrictJson;
import io.distill.model.TransformerEncoder;
import io.distill.torchscript.HostTensor;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;

/** Finds the rows of a teacher's word embeddings that belong to a student's word pieces. */
final class TeacherVocabulary {

  private static final List<String> SPECIAL = List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]");

  private TeacherVocabulary() {}

  /** Returns one row a student piece, in the order of the student's ids. */
  static HostTensor rows(
      StudentSetup.TeacherModel<TransformerEncoder> teacher, Tokenizer tokenizer, String name) {
    HostTensor all = requireNonNull(teacher.model().weights().get("embeddings." + name), name);
    int[] ids = idsInTeacher(teacher, tokenizer);
    int width = Math.toIntExact(all.shape().get(1));
    int bytes = width * all.type().getNumOfBytes();
    ByteBuffer source = all.bytes();
    ByteBuffer rows = ByteBuffer.allocate(Math.multiplyExact(ids.length, bytes));
    for (int id : ids) {
      rows.put(source.slice(id * bytes, bytes));
    }
    return HostTensor.of(all.type(), new Shape(ids.length, width), rows.flip());
  }

  private static int[] idsInTeacher(
      StudentSetup.TeacherModel<TransformerEncoder> teacher, Tokenizer tokenizer) {
    Tokenizer teachers = teacher.tokenizer().orElse(null);
    int[] ids = tokenizer.originalIds();
    int limit = teacher.configuration().vocabularySize();
    if (teachers == null
        || Arrays.stream(ids).anyMatch(id -> id >= limit)
        || !hasPieces(tokenizer, ids, teachers)) {
      throw new DistillationException(
          "student's tokenizer must be the teacher's, or trimmed from it, to start from its"
              + " embeddings but has other word pieces; leave out tokenizer(...)");
    }
    return ids;
  }

  /** Tells whether each piece of a tokenizer is the teacher's piece of the id given for it. */
  private static boolean hasPieces(Tokenizer tokenizer, int[] ids, Tokenizer teachers) {
    JsonElement vocabulary =
        StrictJson.object(tokenizer.json(), "tokenizer of the teacher", Integer.MAX_VALUE)
            .getAsJsonObject()
            .getAsJsonObject("model")
            .get("vocab");
    Set<String> pieces = new HashSet<>(SPECIAL);
    if (vocabulary != null && vocabulary.isJsonObject()) {
      pieces.addAll(vocabulary.getAsJsonObject().keySet());
    }
    return pieces.stream()
        .allMatch(
            piece ->
                tokenizer.id(piece).isEmpty()
                    || teachers
                        .id(piece)
                        .equals(OptionalInt.of(ids[tokenizer.id(piece).getAsInt()])));
  }

  /** Returns the ids of pieces that stand for no word. */
  static Set<Integer> specialIds(Tokenizer tokenizer) {
    Set<Integer> ids = new HashSet<>();
    SPECIAL.forEach(piece -> tokenizer.id(piece).ifPresent(ids::add));
    return ids;
  }
}
