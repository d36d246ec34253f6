package io.tocsin.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;

/** The client refuses what the service refuses, with the same reason: clients/vectors.json. */
class VectorsTest {
  private static final ObjectMapper MAPPER =
      JsonMapper.builder().enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS).build();
  private static final Set<String> OF_JSON = Set.of("not_a_number", "number_out_of_range", "lone_surrogate");
  private static final Map<String, EventType> TYPES = new HashMap<>();
  private static JsonNode vectors;

  @BeforeAll
  static void read() throws Exception {
    vectors = MAPPER.readTree(Files.readString(Path.of("..", "vectors.json")));
    vectors.get("types").forEach(type -> TYPES.put(type.get("name").asText(), declared(type)));
  }

  private static EventType declared(JsonNode type) {
    List<DataField> fields = new ArrayList<>();
    type.get("fields")
        .forEach(
            field ->
                fields.add(
                    new DataField(
                        field.get("name").asText(), field.get("type").asText(), field.get("required").asBoolean())));
    JsonNode supersede = type.get("supersede");
    return new EventType(
        type.get("name").asText(),
        texts(type.get("needs")),
        texts(type.get("recipient_fields")),
        fields,
        supersede.isNull() ? null : supersede.asText());
  }

  private static List<String> texts(JsonNode array) {
    List<String> texts = new ArrayList<>();
    array.forEach(item -> texts.add(item.asText()));
    return texts;
  }

  /** Return the events whose reason is not that of the service. What JSON cannot carry is found in any order. */
  private static List<String> wrong(JsonNode events) {
    long nowMs = Times.milliseconds(vectors.get("now").asText());
    List<String> wrong = new ArrayList<>();
    for (JsonNode vector : events) {
      String expected = vector.get("reason").isNull() ? "accepted" : vector.get("reason").asText();
      String reason = "accepted";
      try {
        Validator.validate(filled(vector), TYPES, nowMs);
      } catch (InvalidEventException error) {
        reason = error.reason().toString();
      }
      if (!reason.equals(expected) && !(OF_JSON.contains(reason) && OF_JSON.contains(expected))) {
        wrong.add(reason + ", not " + expected + ": " + vector);
      }
    }
    return wrong;
  }

  @Test
  void everyVectorHasTheReasonOfTheService() {
    assertEquals(List.of(), wrong(vectors.get("events")));
    assertTrue(vectors.get("events").size() > 100);
  }

  /** RANDOM_EVENTS is a file of further ones, with values of any kind. */
  @Test
  @EnabledIfEnvironmentVariable(named = "RANDOM_EVENTS", matches = ".+")
  void everyRandomEventHasTheReasonOfTheService() throws Exception {
    JsonNode events = MAPPER.readTree(Path.of(System.getenv("RANDOM_EVENTS")).toFile());
    assertEquals(List.of(), wrong(events));
    assertTrue(events.size() > 100);
  }

  /** Return the event of a vector, with the value of its `set` in place. */
  @SuppressWarnings("unchecked")
  private static Map<String, Object> filled(JsonNode vector) {
    Map<String, Object> event = MAPPER.convertValue(vector.get("event"), Map.class);
    if (vector.has("set")) {
      JsonNode set = vector.get("set");
      List<String> at = texts(set.get("at"));
      Map<String, Object> place = event;
      for (String name : at.subList(0, at.size() - 1)) {
        place = (Map<String, Object>) place.get(name);
      }
      place.put(at.get(at.size() - 1), value(set));
    }
    return event;
  }

  private static Object value(JsonNode set) {
    if (set.has("number")) {
      return Double.valueOf(set.get("number").asText());
    }
    if (set.has("nest")) {
      Object nested = List.of();
      for (int depth = 1; depth < set.get("nest").asInt(); depth++) {
        nested = List.of(nested);
      }
      return nested;
    }
    if (set.has("count")) {
      return IntStream.rangeClosed(1, set.get("count").asInt()).mapToObj(Integer::toString).toList();
    }
    int times = set.get("times").asInt();
    JsonNode repeat = set.get("repeat");
    return repeat.isTextual()
        ? repeat.asText().repeat(times)
        : Collections.nCopies(times, MAPPER.convertValue(repeat, Object.class));
  }

  @Test
  void theSamePartsGiveTheSameIdInEveryLanguage() {
    for (JsonNode vector : vectors.get("ids")) {
      Object[] parts = MAPPER.convertValue(vector.get("parts"), Object[].class);
      assertEquals(vector.get("id").asText(), EventId.of(vector.get("source").asText(), parts));
    }
  }

  @Test
  @SuppressWarnings("unchecked")
  void supersedeKeysAreThoseOfTheService() {
    for (JsonNode vector : vectors.get("supersede_keys")) {
      Map<String, Object> data = MAPPER.convertValue(vector.get("data"), Map.class);
      JsonNode key = vector.get("key");
      assertEquals(
          key.isNull() ? null : key.asText(), TYPES.get(vector.get("type").asText()).supersedeKey(data));
    }
  }
}
