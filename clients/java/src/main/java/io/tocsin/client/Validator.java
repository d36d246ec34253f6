package io.tocsin.client;

import java.io.IOException;
import java.time.DateTimeException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.regex.Pattern;

/**
 * Validation of events before they are sent: the service's checks, in its order, with its reasons.
 *
 * <p>{@code clients/README.md} has the list, {@code clients/vectors.json} the events that hold both to each other.
 */
public final class Validator {
  static final int MAX_BYTES = 256 * 1024;
  private static final int MAX_ATTRIBUTES = 256;
  private static final int MAX_TEXT = 1024;
  private static final int MAX_DATA_TEXT = 10_000;
  private static final int MAX_TIME_TEXT = 40;
  private static final int MAX_RECIPIENT = 128;
  private static final int MAX_RECIPIENTS = 20_000;
  private static final long MAX_AHEAD_MS = 366 * 86_400_000L;
  private static final String WITHDRAW = "withdraw";
  private static final Pattern NAME = Pattern.compile("[a-z0-9]{1,128}");
  private static final List<String> UNDERSCORED = List.of("external_id", "project_id", "supersede_key");
  private static final List<String> NOT_EMPTY = List.of("subject", "datacontenttype", "dataschema", "partitionkey");
  private static final List<String> TEXTS = List.of("external_id", "project_id", "account", "actor", "supersede_key");
  private static final Map<String, String> SPELLINGS =
      Map.of(
          "externalid", "external_id",
          "projectid", "project_id",
          "supersedekey", "supersede_key",
          "expirytime", "expires");
  private static final Set<String> EXTENSIONS = extensionNames();

  private final Map<String, Object> fields;
  private final Map<String, EventType> types;
  private final long nowMs;

  private Validator(Map<String, ?> fields, Map<String, EventType> types, long nowMs) {
    this.fields = new LinkedHashMap<>(fields);
    this.fields.values().removeIf(Objects::isNull); // null means unset
    this.types = types;
    this.nowMs = nowMs;
  }

  private static Set<String> extensionNames() {
    Set<String> names = new HashSet<>(List.of("recipients", "expires", "deliverat"));
    names.addAll(TEXTS);
    names.addAll(SPELLINGS.keySet());
    return names;
  }

  /** Throw {@link InvalidEventException} for an event that the service would refuse, with its reason. */
  public static void validate(Event event) {
    Map<String, EventType> types = new HashMap<>(Map.of(event.type(), event.eventType()));
    if (event instanceof Withdraw withdraw && withdraw.target() != null) {
      types.put(withdraw.target().name(), withdraw.target());
    }
    validate(event.fields(), types, System.currentTimeMillis());
  }

  /** Throw InvalidEventException for an event in structured form. `nowMs`: the time at which it is sent. */
  static void validate(Map<String, ?> fields, Map<String, EventType> types, long nowMs) {
    new Validator(fields, types, nowMs).check();
  }

  private void check() {
    Json.check(fields);
    if (Json.bytes(fields).length > MAX_BYTES) {
      throw new InvalidEventException(Reason.TOO_LARGE, "more than " + MAX_BYTES + " bytes");
    }
    checkAttributes();
    if (!(fields.getOrDefault("data", Map.of()) instanceof Map<?, ?> map)) {
      throw new InvalidEventException(Reason.INVALID_DATA, "data: must be an object");
    }
    @SuppressWarnings("unchecked") // Json.check has found text as names
    Map<String, Object> data = (Map<String, Object>) map;
    required("id");
    String source = required("source");
    String name = required("type");
    for (String optional : NOT_EMPTY) {
      if (fields.containsKey(optional) && clean(fields.get(optional), optional).isEmpty()) {
        throw attribute(optional + ": must not be empty");
      }
    }
    checkTime(fields, "time", Times::milliseconds);
    EventType declared = find(name);
    if (declared == null || declared.name().equals(WITHDRAW)) {
      if (!lastPart(name).equals(WITHDRAW)) {
        throw new InvalidEventException(Reason.UNKNOWN_TYPE, name);
      }
      checkTarget(data, source);
      return;
    }
    checkData(data, declared);
    checkExtensions(extensions(data), declared, data);
  }

  private void checkAttributes() {
    if (fields.size() > MAX_ATTRIBUTES) {
      throw attribute("more than " + MAX_ATTRIBUTES + " attributes");
    }
    fields.forEach(
        (name, value) -> {
          if (name.equals("data")) {
            return;
          }
          if (!UNDERSCORED.contains(name) && !NAME.matcher(name).matches()) {
            throw attribute(name + ": a name has only a-z and 0-9");
          }
          if (value instanceof Map || (value instanceof List && !name.equals("recipients"))) {
            throw attribute(name + ": cannot be an object or array");
          }
        });
  }

  private String required(String name) {
    Object value = fields.get(name);
    if (value == null || value.equals("")) {
      throw new InvalidEventException(Reason.MISSING_ATTRIBUTE, name);
    }
    return clean(value, name);
  }

  private static String clean(Object value, String name) {
    if (!(value instanceof String text) || Json.length(text) > MAX_TEXT || !Json.isPlain(text)) {
      throw attribute(
          name + ": must be text of at most " + MAX_TEXT + " characters without control characters");
    }
    return text;
  }

  /** Return an attribute that may be an integer as text; empty where it is unset. */
  private static String text(Map<String, Object> fields, String name) {
    Object value = fields.get(name);
    if (value == null) {
      return "";
    }
    return Json.isInteger(value) ? value.toString() : clean(value, name);
  }

  private static void checkTime(Map<String, Object> fields, String name, Consumer<Object> check) {
    if (fields.containsKey(name)) {
      try {
        check.accept(fields.get(name));
      } catch (DateTimeException error) {
        throw attribute(name + ": " + error.getMessage());
      }
    }
  }

  private EventType find(String name) {
    EventType declared = types.get(name);
    return declared == null ? types.get(lastPart(name)) : declared;
  }

  private static String lastPart(String name) {
    return name.substring(name.lastIndexOf('.') + 1);
  }

  /** Throw InvalidEventException unless it is clear what a withdrawal withdraws. */
  private void checkTarget(Map<String, Object> data, String source) {
    if (data.containsKey("id") == data.containsKey("type")) {
      throw withdrawal("data: needs either an id or a type");
    }
    if (data.containsKey("id")) {
      checkNamed(data.getOrDefault("source", source), "source");
      checkNamed(data.get("id"), "id");
      return;
    }
    checkNamed(data.get("type"), "type");
    EventType declared = find((String) data.get("type"));
    if (declared == null) {
      throw new InvalidEventException(Reason.UNKNOWN_TYPE, (String) data.get("type"));
    }
    if (data.containsKey("key") == data.containsKey("data")) {
      throw withdrawal("data: needs either a key or data, beside the type");
    }
    if (data.containsKey("key")) {
      checkNamed(text(data, "key"), "key");
      return;
    }
    if (declared.supersede() == null) {
      throw withdrawal(declared.name() + " has no supersede key of its own: name one by `key`");
    }
    for (String name : declared.supersedeFields()) {
      if (!(data.get("data") instanceof Map<?, ?> ofEvents) || ofEvents.get(name) == null) {
        throw withdrawal("data.data." + name + ": is required");
      }
    }
  }

  private static void checkNamed(Object value, String name) {
    if (isEmpty(value)) {
      throw withdrawal("data." + name + ": must not be empty");
    }
    clean(value, "data." + name);
  }

  private static boolean isEmpty(Object value) {
    return value == null
        || value.equals("")
        || value.equals(false)
        || (value instanceof Number number && number.doubleValue() == 0)
        || (value instanceof List<?> list && list.isEmpty())
        || (value instanceof Map<?, ?> map && map.isEmpty());
  }

  private static void checkData(Map<String, Object> data, EventType declared) {
    for (DataField field : declared.fields()) {
      Object value = data.get(field.name());
      if (value == null ? field.required() : !hasType(value, field.type())) {
        String detail = data.containsKey(field.name()) ? "must be of the type " + field.type() : "is required";
        throw new InvalidEventException(Reason.INVALID_DATA, field.name() + ": " + detail);
      }
    }
  }

  private static boolean hasType(Object value, String type) {
    return switch (type) {
      case "string" -> value instanceof String text && Json.length(text) <= MAX_DATA_TEXT;
      case "datetime" -> value instanceof String text && text.length() <= MAX_TIME_TEXT && isTime(text);
      case "boolean" -> value instanceof Boolean;
      case "integer" -> Json.isInteger(value);
      case "number" -> value instanceof Number;
      case "object" -> value instanceof Map;
      default -> value instanceof List;
    };
  }

  private static boolean isTime(String text) {
    try {
      Times.milliseconds(text);
      return true;
    } catch (DateTimeException error) {
      return false;
    }
  }

  /** Return our extensions. An attribute wins over one in the data, and `x_y` over `xy`. */
  private Map<String, Object> extensions(Map<String, Object> data) {
    Map<String, Object> extensions = new HashMap<>();
    for (Map<String, Object> place : List.of(data, fields)) {
      TreeSet<String> names = new TreeSet<>(place.keySet());
      names.retainAll(EXTENSIONS);
      for (String name : names.descendingSet()) {
        if (place.get(name) != null) {
          extensions.put(SPELLINGS.getOrDefault(name, name), place.get(name));
        }
      }
    }
    return extensions;
  }

  private void checkExtensions(Map<String, Object> extensions, EventType declared, Map<String, Object> data) {
    List<?> named = declared.recipientFields().stream().map(data::get).filter(value -> !isEmpty(value)).toList();
    Object recipients = extensions.get("recipients");
    if (recipients == null && !named.isEmpty()) {
      recipients = named;
    }
    if (recipients != null) {
      checkRecipients(recipients);
    }
    TEXTS.forEach(name -> text(extensions, name));
    checkTime(extensions, "expires", Times::anyMilliseconds);
    checkTime(extensions, "deliverat", Times::milliseconds);
    if (extensions.containsKey("deliverat")
        && Times.milliseconds(extensions.get("deliverat")) - nowMs > MAX_AHEAD_MS) {
      throw attribute("deliverat: is more than 366 days ahead");
    }
    for (String name : declared.needs()) {
      Object value = name.equals("recipients") ? recipients : extensions.get(name);
      if (value == null || value.equals("")) {
        throw new InvalidEventException(
            Reason.MISSING_AUDIENCE, name + " is needed for " + declared.name());
      }
    }
  }

  /** Throw InvalidEventException unless these are recipient ids; in text, a JSON array or separated by commas. */
  private static void checkRecipients(Object value) {
    Object listed = value instanceof String text ? listed(text) : value;
    if (!(listed instanceof List<?> ids) || !ids.stream().allMatch(Validator::isRecipient)) {
      throw attribute("recipients: must be a list of ids of 1 to " + MAX_RECIPIENT + " characters");
    }
    ids.forEach(id -> clean(id, "recipients"));
    if (new HashSet<>(ids).size() > MAX_RECIPIENTS) {
      throw attribute("recipients: more than " + MAX_RECIPIENTS);
    }
  }

  private static boolean isRecipient(Object value) {
    return value instanceof String text && !text.isEmpty() && Json.length(text) <= MAX_RECIPIENT;
  }

  private static Object listed(String text) {
    if (!text.startsWith("[")) {
      return Arrays.stream(text.split(",", -1)).map(String::strip).toList();
    }
    try {
      return Json.read(text);
    } catch (IOException error) {
      throw new InvalidEventException(Reason.INVALID_JSON, "recipients: is no JSON");
    }
  }

  private static InvalidEventException attribute(String detail) {
    return new InvalidEventException(Reason.INVALID_ATTRIBUTE, detail);
  }

  private static InvalidEventException withdrawal(String detail) {
    return new InvalidEventException(Reason.INVALID_WITHDRAWAL, detail);
  }
}
