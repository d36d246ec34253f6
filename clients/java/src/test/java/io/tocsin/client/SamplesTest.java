package io.tocsin.client;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;

/**
 * Each sample of the catalogue is an event of its type, made with the builders.
 *
 * <p>SAMPLES is a file with {@code type} and {@code sample}; the events are written to {@code SAMPLES.events} in
 * structured form, a line each, for the service to read.
 */
@EnabledIfEnvironmentVariable(named = "SAMPLES", matches = ".+")
class SamplesTest {
  private static final ObjectMapper MAPPER = new ObjectMapper();

  @Test
  void everySampleIsAnEvent() throws Exception {
    List<String> events = new ArrayList<>();
    for (JsonNode row : MAPPER.readTree(Files.readString(Path.of(System.getenv("SAMPLES"))))) {
      Event event = event(row.get("type").asText(), row.get("sample"));
      events.add(new String(CloudEvents.structured(event.toCloudEvent()), StandardCharsets.UTF_8));
    }
    Files.write(Path.of(System.getenv("SAMPLES") + ".events"), events);
  }

  private static Event event(String type, JsonNode sample) throws Exception {
    Class<?> event = Class.forName("io.tocsin.client.types." + camel("_" + type));
    Object builder = event.getMethod("builder").invoke(null);
    call(builder, "source", "/samples");
    for (var field : sample.properties()) {
      Object value = MAPPER.convertValue(field.getValue(), Object.class);
      if (field.getKey().equals("data")) {
        value = data(Class.forName(event.getName() + "$Data"), (Map<?, ?>) value);
      }
      call(builder, camel(field.getKey()), value);
    }
    Event made = (Event) builder.getClass().getMethod("build").invoke(builder);
    assertEquals(type, made.type());
    return made;
  }

  private static Object data(Class<?> type, Map<?, ?> fields) throws Exception {
    Object builder = type.getMethod("builder").invoke(null);
    for (Map.Entry<?, ?> field : fields.entrySet()) {
      String name = (String) field.getKey();
      if (!call(builder, camel(name), field.getValue())) {
        builder.getClass().getMethod("put", String.class, Object.class).invoke(builder, name, field.getValue());
      }
    }
    return builder.getClass().getMethod("build").invoke(builder);
  }

  /** Call a method with one value, which is converted to what it takes; return whether there is one. */
  private static boolean call(Object builder, String name, Object value) throws Exception {
    for (Method method : builder.getClass().getMethods()) {
      if (method.getName().equals(name) && method.getParameterCount() == 1 && !method.isVarArgs()) {
        boolean time = method.getParameterTypes()[0] == OffsetDateTime.class;
        boolean wide = method.getParameterTypes()[0] == long.class;
        Object taken = time ? OffsetDateTime.parse((String) value) : value;
        method.invoke(builder, wide ? (Object) ((Number) value).longValue() : taken);
        return true;
      }
    }
    return false;
  }

  private static String camel(String name) {
    String[] parts = name.split("_");
    StringBuilder camel = new StringBuilder(parts[0]);
    Arrays.stream(parts)
        .skip(1)
        .forEach(part -> camel.append(Character.toUpperCase(part.charAt(0))).append(part.substring(1)));
    return camel.toString();
  }
}
