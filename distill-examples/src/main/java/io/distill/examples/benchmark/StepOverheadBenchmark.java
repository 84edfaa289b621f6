package io.distill.examples.benchmark;

import static java.util.Objects.requireNonNull;

import io.distill.Distiller;
import io.distill.data.Batch;
import io.distill.data.TextDataset;
import io.distill.data.TextExample;
import io.distill.data.Tokenizer;
import io.distill.losses.Losses;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.student.Student;
import io.distill.teacher.Teacher;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What of a training step is Java: an upper bound from two runs that differ in nothing but the
 * student's native work.
 *
 * <p>A step is one native call for the forward pass, a few for the loss, one for the backward pass
 * and one for the optimizer, whatever the student is made of; Java makes the same arrays, contexts,
 * maps and calls for every student. So the step of a student whose native work is next to nothing
 * (a bag of embeddings 1 wide) costs at least as much as Java's part in the step of any student.
 * The share of Java outside native calls is therefore at most
 *
 * <pre>{@code
 * time of a step of the nearly empty student / time of a step of the encoder
 * }</pre>
 *
 * <p>The numerator also holds some hundred small native operators, by far the larger part of it, so
 * the true share is well below the bound, even if Java's part runs slower after native work has
 * emptied the processor's caches. Pauses of the garbage collector are in both.
 *
 * <p>The encoder has 2 layers and hidden size 128; batches are 32 rows of 64 tokens; the loss is
 * soft targets and hard labels over 12 classes; the teacher's logits are remembered.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 3)
@Fork(1)
public class StepOverheadBenchmark {

  /** The number of steps of one timed piece. */
  static final int STEPS = 10;

  static final int ROWS = 512;
  static final int BATCH_SIZE = 32;
  static final int TOKENS = 64;
  private static final int CLASSES = 12;
  static final long ENDLESS = 1L << 31;

  /** The students. */
  public enum Kind {
    /** A transformer encoder with 2 layers and hidden size 128. */
    ENCODER,
    /** A bag of embeddings 1 wide. */
    NEARLY_EMPTY
  }

  /** Which student is trained. */
  @Param public Kind student = Kind.ENCODER;

  /** The number of threads of libtorch. */
  @Param({"1"})
  public int nativeThreads;

  private @Nullable SteppedRun run;

  /** Creates the state; JMH does. */
  public StepOverheadBenchmark() {}

  /** Starts a run. */
  @Setup(Level.Trial)
  public void open() {
    Tokenizer tokenizer = tokenizer(TOKENS);
    TextDataset dataset = dataset(tokenizer, ROWS);
    Tokenizer vocabulary = tokenizer.trimmedTo(dataset.texts());
    run =
        new SteppedRun(
            steps ->
                Distiller.builder()
                    .teacher(new RowTeacher(vocabulary))
                    .student(student(vocabulary))
                    .loss(
                        Losses.softTargets().weighted(0.9).plus(Losses.hardLabels().weighted(0.1)))
                    .listener(steps)
                    .batchSize(BATCH_SIZE)
                    .steps(ENDLESS)
                    .build(),
            dataset,
            nativeThreads);
  }

  private Student student(Tokenizer vocabulary) {
    return student == Kind.ENCODER
        ? Student.encoder().layers(2).hiddenSize(128).tokenizer(vocabulary).build()
        : Student.bagOfEmbeddings().embeddingSize(1).hiddenSize(1).tokenizer(vocabulary).build();
  }

  /** Stops the run. */
  @TearDown(Level.Trial)
  public void close() {
    requireNonNull(run, "run").close();
  }

  /** Takes some steps. */
  @Benchmark
  @OperationsPerInvocation(STEPS)
  public void step() {
    requireNonNull(run, "run").steps(STEPS);
  }

  private static InputStream resource(String name) {
    return requireNonNull(StepOverheadBenchmark.class.getResourceAsStream(name), name);
  }

  static Tokenizer tokenizer(int tokens) {
    try (InputStream json = resource("/all-minilm-l6-v2-tokenizer.json")) {
      return Tokenizer.parse(json).withMaxLength(tokens);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Joins e-mails until a row is full, so that every row has as many tokens as there may be. */
  static TextDataset dataset(Tokenizer tokenizer, int count) {
    List<TextExample> rows = new ArrayList<>();
    try (BufferedReader reader =
        new BufferedReader(
            new InputStreamReader(
                resource("/io/distill/examples/email/unlabelled.tsv"), StandardCharsets.UTF_8))) {
      List<String> mails = reader.lines().skip(1).toList();
      StringBuilder row = new StringBuilder();
      for (int i = 0; rows.size() < count; i++) {
        row.append(mails.get(i % mails.size())).append(' ');
        if (tokenizer.encode(row.toString()).length == tokenizer.maxLength()) {
          rows.add(TextExample.labelled(row.toString(), "class " + rows.size() % CLASSES));
          row.setLength(0);
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return TextDataset.of(rows);
  }

  /** Answers from the row number; asked once a row, before the first step. */
  record RowTeacher(Tokenizer vocabulary) implements Teacher {
    @Override
    public Signals signals(Batch batch, Set<SignalKind> kinds) {
      float[][] logits = new float[batch.size()][CLASSES];
      int[] rows = batch.rows();
      for (int i = 0; i < rows.length; i++) {
        logits[i][rows[i] % CLASSES] = 3;
      }
      return Signals.builder().logits(batch.inputs().head().getManager().create(logits)).build();
    }

    @Override
    public Set<SignalKind> provides() {
      return Set.of(SignalKind.LOGITS);
    }

    @Override
    public Optional<Tokenizer> tokenizer() {
      return Optional.of(vocabulary);
    }
  }
}
