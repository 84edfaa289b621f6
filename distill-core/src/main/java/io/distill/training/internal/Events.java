package io.distill.training.internal;

import io.distill.training.TrainingListener;
import java.util.List;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Tells all listeners; one that throws is logged and the others still hear. */
final class Events {

  private static final Logger LOGGER = LoggerFactory.getLogger(TrainingListener.class);

  private final List<TrainingListener> listeners;
  private boolean told;

  Events(List<TrainingListener> listeners) {
    this.listeners = listeners;
  }

  /** Returns whether anything was told. */
  boolean told() {
    return told;
  }

  void tell(Consumer<TrainingListener> event) {
    told = true;
    for (TrainingListener listener : listeners) {
      try {
        event.accept(listener);
      } catch (Exception e) {
        // checked ones too: other languages of the JVM throw them undeclared
        LOGGER.warn("Listener {} threw; the run goes on", listener, e);
      }
    }
  }
}
