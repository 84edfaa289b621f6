package io.distill.examples.email;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.base.Splitter;
import com.google.common.collect.Sets;
import io.distill.data.TextDataset;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import org.junit.jupiter.api.Test;

class CorpusTest {

  private final Scenario scenario = Scenario.emails(OptionalInt.empty());

  @Test
  void corpus_hasTwelveIntentsAndEnoughMails() {
    assertThat(scenario.labelled().classNames())
        .containsExactly(
            "complaint",
            "delivery_problem",
            "invoice_question",
            "job_application",
            "meeting_request",
            "out_of_office",
            "password_problem",
            "phishing",
            "quote_request",
            "refund",
            "thanks",
            "unsubscribe");
    assertThat(scenario.labelled().size()).isEqualTo(360);
    assertThat(scenario.unlabelled().size()).isGreaterThanOrEqualTo(1200);
    assertThat(scenario.unlabelled().labelledRows()).isEmpty();
    assertThat(scenario.test().size()).isEqualTo(600);
    assertThat(scenario.test().labelledRows()).hasSize(600);
  }

  @Test
  void others_areThreeHundredLinesOfFiveKinds() {
    assertThat(scenario.others().size()).isGreaterThanOrEqualTo(300);
    assertThat(scenario.others().classNames())
        .containsExactly("code_comment", "news", "novel", "recipe", "weather");
    assertThat(scenario.othersToFit().classNames()).isEqualTo(scenario.othersToTest().classNames());
  }

  @Test
  void training_countsTenLabelsOfEachIntent() {
    TextDataset training = scenario.training(3);
    int[] labels = new int[12];
    for (int row : training.labelledRows()) {
      labels[training.label(row)]++;
    }
    assertThat(labels).containsOnly(10);
    assertThat(training.size()).isEqualTo(2169);
    assertThat(training.labelledRows()).isNotEqualTo(scenario.training(4).labelledRows());
  }

  @Test
  void mails_ofTestAndTraining_haveNoNearDuplicates() {
    List<String> training = new ArrayList<>(scenario.labelled().texts());
    training.addAll(scenario.unlabelled().texts());
    Map<String, Set<Integer>> rowsByTriple = new HashMap<>();
    List<Set<String>> triples = training.stream().map(CorpusTest::triples).toList();
    for (int row = 0; row < training.size(); row++) {
      for (String triple : triples.get(row)) {
        rowsByTriple.computeIfAbsent(triple, key -> new HashSet<>()).add(row);
      }
    }
    for (String mail : scenario.test().texts()) {
      Set<String> own = triples(mail);
      Set<Integer> candidates = new HashSet<>();
      own.forEach(triple -> candidates.addAll(rowsByTriple.getOrDefault(triple, Set.of())));
      for (int row : candidates) {
        double shared = Sets.intersection(own, triples.get(row)).size();
        double all = Sets.union(own, triples.get(row)).size();
        assertThat(shared / all).as("%s <-> %s", mail, training.get(row)).isLessThan(0.5);
      }
    }
  }

  @Test
  void mails_varyInLength() {
    List<Integer> words =
        scenario.test().texts().stream().map(text -> words(text).size()).sorted().toList();
    assertThat(words.get(0)).isLessThanOrEqualTo(4);
    assertThat(words.get(words.size() * 9 / 10))
        .isGreaterThanOrEqualTo(2 * words.get(words.size() / 10));
    assertThat(words.get(words.size() - 1)).isGreaterThanOrEqualTo(50);
  }

  private static List<String> words(String text) {
    return Splitter.onPattern("[^\\p{L}\\p{N}]+")
        .omitEmptyStrings()
        .splitToList(text.toLowerCase(Locale.ROOT));
  }

  private static Set<String> triples(String text) {
    List<String> words = words(text);
    Set<String> triples = new HashSet<>();
    for (int i = 0; i < Math.max(1, words.size() - 2); i++) {
      triples.add(String.join(" ", words.subList(i, Math.min(words.size(), i + 3))));
    }
    return triples;
  }
}
