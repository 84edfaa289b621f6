package io.distill.training;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/** Copies the maps of events, keeping their order. */
final class EventMaps {

  private EventMaps() {}

  static Map<String, Double> copy(Map<String, Double> map) {
    return Collections.unmodifiableMap(new LinkedHashMap<>(map));
  }
}
