package io.distill.trace;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.File;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class LanguageFilterTest {

  /** The same two sentences by languages. */
  private static final Map<String, String> SENTENCES =
      new TreeMap<>(
          Map.of(
              "en",
              "The train leaves at nine and needs three hours for the way to the sea. So the"
                  + " children arrive at noon, and they are hungry.",
              "de",
              "Der Zug fährt um neun ab und braucht drei Stunden für den Weg ans Meer. Also kommen"
                  + " die Kinder mittags an, und sie haben Hunger.",
              "fr",
              "Le train part à neuf heures et met trois heures pour aller à la mer. Les enfants"
                  + " arrivent donc à midi, et ils ont faim.",
              "es",
              "El tren sale a las nueve y tarda tres horas en llegar al mar. Así que los niños"
                  + " llegan al mediodía y tienen hambre.",
              "it",
              "Il treno parte alle nove e impiega tre ore per arrivare al mare. Quindi i bambini"
                  + " arrivano a mezzogiorno e hanno fame.",
              "pt",
              "O comboio parte às nove e demora três horas a chegar ao mar. Por isso as crianças"
                  + " chegam ao meio-dia e têm fome.",
              "nl",
              "De trein vertrekt om negen uur en doet drie uur over de weg naar zee. Dus komen de"
                  + " kinderen om twaalf uur aan en ze hebben honger.",
              "ru",
              "Поезд отправляется в девять и идёт до моря три часа. Значит, дети приедут в полдень,"
                  + " и они будут голодны.",
              "zh",
              "火车九点出发，到海边需要三个小时。所以孩子们中午到达，他们都饿了。",
              "ja",
              "電車は九時に出発して、海まで三時間かかります。だから子供たちは昼に着いて、おなかがすいています。"));

  private static Verdict judge(TraceFilter filter, String text) throws Exception {
    return filter.judge(new Candidate(Prompt.of("q"), 0, Answer.of(text)));
  }

  @Test
  void languages_areToldFromEachOther() throws Exception {
    for (String asked : SENTENCES.keySet()) {
      LanguageFilter filter = TraceFilter.language(asked);
      for (Map.Entry<String, String> each : SENTENCES.entrySet()) {
        Verdict verdict = judge(filter, each.getValue());
        String what = each.getKey() + " for " + asked;
        assertThat(verdict.details()).as(what).containsEntry("language", each.getKey());
        assertThat(verdict.kept()).as(what).isEqualTo(each.getKey().equals(asked));
        assertThat(verdict.reason()).as(what).isEqualTo(verdict.kept() ? "" : "other language");
      }
    }
  }

  @Test
  void severalLanguages_mayBeMixed() throws Exception {
    String both = SENTENCES.get("en") + " " + SENTENCES.get("de");
    assertThat(judge(TraceFilter.language("en", "de"), both).kept()).isTrue();
    Verdict alone = judge(TraceFilter.language("en"), both);
    assertThat(alone.reason()).isEqualTo("mixes languages");
    assertThat(Double.parseDouble(alone.details().get("languageShare"))).isBetween(0.4, 0.6);
    assertThat(judge(TraceFilter.language("en").share(0.4), both).kept()).isTrue();
  }

  @Test
  void sentencesThatChangeTheScript_areMixed() throws Exception {
    String text = "Okay, first I look at 这个问题的条件 and then I add 两个数字的总和 to find the answer.";
    assertThat(judge(TraceFilter.language("en"), text).reason()).isEqualTo("mixes languages");
    assertThat(judge(TraceFilter.language("en").share(0.4), text).kept()).isTrue();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "42",
        "3 + 4 * 5 = 23\n23 - 2 = 21",
        "$x = \\frac{1}{2}$",
        "```java\nint add(int first, int second) { return first + second; }\n```",
        "https://example.org/the/answer"
      })
  void answersWithoutWords_areKeptAndSaidToBe(String text) throws Exception {
    assertThat(judge(TraceFilter.language("de"), text).kept()).isTrue();
    assertThat(judge(TraceFilter.language("de"), text).details())
        .isEqualTo(Map.of("language", "no words"));
    assertThat(judge(TraceFilter.language("de").droppingUndecided(), text).reason())
        .isEqualTo("no words");
  }

  @ParameterizedTest
  @ValueSource(strings = {"Paris", "Yes.", "Lily and Tom", "x is 4"})
  void shortAnswers_areKeptAndSaidToBeUndecided(String text) throws Exception {
    assertThat(judge(TraceFilter.language("de"), text).kept()).isTrue();
    assertThat(judge(TraceFilter.language("de"), text).details())
        .isEqualTo(Map.of("language", "undecided"));
    assertThat(judge(TraceFilter.language("de").droppingUndecided(), text).reason())
        .isEqualTo("too short to tell");
  }

  @Test
  void calculationsWithWords_areOfTheLanguageOfTheWords() throws Exception {
    String text =
        "She had 12 apples and gave 5 of them away, so 12 - 5 = 7 are left.\n12 - 5 = 7\n"
            + "`int left = 12 - 5;`\nTherefore the answer to the question is 7.";
    assertThat(judge(TraceFilter.language("en"), text).kept()).isTrue();
    assertThat(judge(TraceFilter.language("fr"), text).reason()).isEqualTo("other language");
  }

  @ParameterizedTest
  @CsvSource({"zh,zh", "no,nb", "deu,de", "gsw,gsw", "fa,fa"})
  void codes_areOfTwoLettersOrThree(String asked, String told) {
    assertThat(TraceFilter.language(asked).description())
        .isEqualTo("language(" + asked + ", share 0.8)");
    String code = LanguageCodes.of(asked, OpenNlpDetector.shared().languages()).iterator().next();
    assertThat(LanguageCodes.shortened(code)).isIn(told, "nn", "zh");
  }

  @Test
  void unknownLanguages_areRefused() {
    assertThatThrownBy(() -> TraceFilter.language("english"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("language must be one of [")
        .hasMessageContaining(", de, ")
        .hasMessageEndingWith(
            "] but was english; use a code of ISO 639-1, or of ISO 639-3 where there is no shorter"
                + " one, in lower case");
    assertThatThrownBy(TraceFilter::language)
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("languages must be at least one but were none");
    assertThatThrownBy(() -> TraceFilter.language("en").share(0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("minimum must be greater than 0 and at most 1 but was 0.0");
  }

  @ParameterizedTest
  @ValueSource(strings = {"opennlp-tools", "opennlp-models-langdetect"})
  void withoutTheDetector_theErrorNamesWhatToAdd(String absent) throws Exception {
    URL[] rest =
        Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
            .filter(entry -> !Path.of(entry).toString().contains(absent))
            .map(LanguageFilterTest::url)
            .toArray(URL[]::new);
    try (URLClassLoader loader = new URLClassLoader(rest, ClassLoader.getPlatformClassLoader())) {
      Method language =
          loader.loadClass(TraceFilter.class.getName()).getMethod("language", String[].class);
      assertThatThrownBy(() -> language.invoke(null, (Object) new String[] {"en"}))
          .isInstanceOf(InvocationTargetException.class)
          .cause()
          .isInstanceOf(IllegalStateException.class)
          .hasMessage(
              "the class path must have org.apache.opennlp:"
                  + absent
                  + " to tell languages but has not; add org.apache.opennlp:opennlp-tools and"
                  + " org.apache.opennlp:opennlp-models-langdetect, or give a detector of your own"
                  + " to language(detector, ...)");
    }
  }

  private static URL url(String entry) {
    try {
      return Path.of(entry).toUri().toURL();
    } catch (MalformedURLException e) {
      throw new IllegalArgumentException(e);
    }
  }
}
