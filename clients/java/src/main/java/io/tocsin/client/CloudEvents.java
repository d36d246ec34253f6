package io.tocsin.client;

import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.jackson.JsonFormat;
import io.cloudevents.rw.CloudEventRWException;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Events as CloudEvents of the official SDK, and as the bytes that it writes. */
final class CloudEvents {
  static final JsonFormat JSON = new JsonFormat();

  private CloudEvents() {}

  /** Return valid events as the official SDK's. Throw InvalidEventException with the place of the event. */
  static List<CloudEvent> of(List<? extends Event> events) {
    List<CloudEvent> cloudEvents = new ArrayList<>();
    for (Event event : events) {
      cloudEvents.add(of(event, cloudEvents.size()));
    }
    return cloudEvents;
  }

  /** Return a valid event as the official SDK's. Throw InvalidEventException with `index` as the event's place. */
  static CloudEvent of(Event event, int index) {
    try {
      Validator.validate(event);
      return built(event);
    } catch (InvalidEventException error) {
      throw new InvalidEventException(error.reason(), error.detail(), index);
    } catch (IllegalArgumentException | IllegalStateException | CloudEventRWException error) {
      // What the SDK does not take, such as a source that is no URI reference.
      throw new InvalidEventException(Reason.INVALID_ATTRIBUTE, String.valueOf(error.getMessage()), index);
    }
  }

  private static CloudEvent built(Event event) {
    Map<String, Object> fields = event.fields();
    CloudEventBuilder builder =
        CloudEventBuilder.v1()
            .withId(event.id())
            .withSource(URI.create(event.source()))
            .withType(event.type())
            .withTime(event.time())
            .withSubject(event.attributes().subject())
            .withData(Json.CONTENT_TYPE, Json.bytes(fields.get("data")));
    List.of("specversion", "id", "source", "type", "time", "subject", "datacontenttype", "data")
        .forEach(fields::remove);
    fields.forEach(
        (name, value) -> {
          if (name.equals("dataschema")) {
            builder.withDataSchema(URI.create(value.toString()));
          } else if (value instanceof Number number) {
            builder.withExtension(name, number);
          } else if (value instanceof Boolean flag) {
            builder.withExtension(name, flag);
          } else {
            builder.withExtension(name, value.toString());
          }
        });
    return builder.build();
  }

  /** Return the CloudEvent in structured JSON. */
  static CloudEvent read(byte[] structured) {
    return JSON.deserialize(structured);
  }

  /** Return structured JSON. Throw InvalidEventException for what the SDK cannot write. */
  static byte[] structured(CloudEvent event) {
    try {
      return JSON.serialize(event);
    } catch (CloudEventRWException error) {
      throw new InvalidEventException(Reason.INVALID_JSON, String.valueOf(error.getMessage()));
    }
  }
}
