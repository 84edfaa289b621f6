package io.distill.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.DynamicContainer.dynamicContainer;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestReporter;

/**
 * Every file that the library reads, in every way that a file can be bad: what comes of it is a
 * DistillationException that names the file, or sound data where nothing that matters was hit;
 * never another error, an end of the process, much memory, or anything that the file ordered.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class FaultInjectionTest {

  /** What a bad input of each kind is counted as; random places are not. */
  private static final int LEAST_MALFORMED = 200;

  private final Map<String, List<Fault>> faults = new LinkedHashMap<>();
  private final Map<String, FaultRunner.Outcome> outcomes = new HashMap<>();

  @BeforeAll
  void read() throws IOException, InterruptedException, ExecutionException {
    Files.deleteIfExists(TorchScriptFaults.TRACE);
    List<String> nativeFormats = List.copyOf(FaultProcess.FORMATS.keySet());
    FutureTask<Map<String, FaultRunner.Outcome>> elsewhere =
        new FutureTask<>(() -> FaultProcess.outcomes(nativeFormats));
    new Thread(elsewhere, "fault-process").start();
    List<Fault> here = new ArrayList<>();
    here.addAll(TorchScriptFaults.own());
    here.addAll(DataFaults.csv());
    here.addAll(DataFaults.tsv());
    here.addAll(DataFaults.jsonLines());
    here.addAll(DataFaults.gzip());
    here.addAll(DataFaults.tokenizers());
    here.addAll(ModelFaults.onnx());
    here.addAll(ModelFaults.safetensors());
    here.addAll(ModelFaults.shards());
    here.addAll(DataFaults.terms());
    for (Fault fault : here) {
      put(fault);
      outcomes.put(fault.toString(), FaultRunner.run(fault, false));
    }
    for (String format : nativeFormats) {
      FaultProcess.FORMATS.get(format).get().forEach(this::put);
    }
    outcomes.putAll(elsewhere.get());
  }

  private void put(Fault fault) {
    faults.computeIfAbsent(fault.format(), format -> new ArrayList<>()).add(fault);
  }

  @TestFactory
  DynamicNode inputs() {
    int all = faults.values().stream().mapToInt(List::size).sum();
    return dynamicContainer(
        all + " inputs of " + faults.size() + " formats",
        faults.entrySet().stream()
            .map(
                format ->
                    dynamicContainer(
                        format.getKey() + ": " + format.getValue().size() + " inputs",
                        format.getValue().stream()
                            .map(fault -> dynamicTest(fault.name(), () -> assertSafe(fault))))));
  }

  private void assertSafe(Fault fault) {
    FaultRunner.Outcome outcome = outcomes.get(fault.toString());
    assertThat(outcome).as(fault.toString()).isNotNull();
    assertThat(outcome.wrong()).as("%s (%s)", fault, outcome.told()).isEmpty();
  }

  @Test
  void soundInputs_areRead() {
    for (List<Fault> each : faults.values()) {
      for (Fault fault : each) {
        if (fault.name().startsWith("nothing wrong")) {
          assertThat(outcomes.get(fault.toString()).told())
              .as(fault.toString())
              .startsWith("loaded: ");
        }
      }
    }
  }

  @Test
  void names_tellInputsApart() {
    for (List<Fault> each : faults.values()) {
      assertThat(each.stream().map(Fault::name)).doesNotHaveDuplicates();
    }
  }

  @Test
  void nothing_wasRun() {
    assertThat(TorchScriptFaults.TRACE).doesNotExist();
  }

  @Test
  void malformedInputs_areAtLeast200_withoutRandomPlaces(TestReporter reporter) {
    int all = 0;
    int mustBeRefused = 0;
    Set<String> kinds = new HashSet<>();
    for (List<Fault> each : faults.values()) {
      all += each.size();
      for (Fault fault : each) {
        boolean random =
            fault.name().matches("(cut off after|bit \\d of byte|.* has a bit flipped).*");
        if (!fault.mayLoad()) {
          mustBeRefused++;
          if (!random) {
            kinds.add(fault.toString());
          }
        }
      }
      reporter.publishEntry(each.get(0).format(), each.size() + " inputs");
    }
    reporter.publishEntry(
        "all formats",
        all
            + " inputs, of which "
            + mustBeRefused
            + " must be refused; without random places "
            + kinds.size());
    assertThat(kinds.size()).isGreaterThan(LEAST_MALFORMED);
  }
}
