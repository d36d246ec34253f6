package io.tocsin.client;

import io.cloudevents.CloudEvent;
import java.time.OffsetDateTime;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;

/** A fact that recipients are notified of. The records of types add their audience and the type of the data. */
public interface Event {
  /** Return the type that is declared. */
  EventType eventType();

  /** Return what events of all types have in common. */
  EventAttributes attributes();

  /** Return the data. */
  EventData data();

  /** Return the event with other attributes. */
  Event with(EventAttributes attributes);

  /** Return the recipients that are named; null where the event names none in this way. */
  default List<String> recipients() {
    return null;
  }

  /** Return the group; null where the type has none. */
  default String externalId() {
    return null;
  }

  /** Return the part of the group; null where none is named. */
  default String projectId() {
    return null;
  }

  /** Return the account; null where the type has none. */
  default String account() {
    return null;
  }

  /** Return the name of the type. */
  default String type() {
    return eventType().name();
  }

  default String source() {
    return attributes().source();
  }

  default String id() {
    return attributes().id();
  }

  default OffsetDateTime time() {
    return attributes().time();
  }

  /** Return the key of the event's Kafka record. */
  default String key() {
    Map<String, Object> data = data().fields();
    Stream<?> named =
        Stream.of(
                Stream.of(attributes().partitionKey() == null ? "" : attributes().partitionKey()),
                recipients() == null ? Stream.empty() : recipients().stream(),
                eventType().recipientFields().stream().map(data::get),
                Stream.of(account() == null ? "" : account(), externalId() == null ? "" : externalId()))
            .flatMap(values -> values);
    return named
        .filter(value -> value instanceof String text && !text.isEmpty())
        .map(String.class::cast)
        .findFirst()
        .orElse(id());
  }

  /** Return the event in structured form: attributes by their names on the wire, and {@code data}. */
  default Map<String, Object> fields() {
    EventAttributes attributes = attributes();
    Map<String, Object> fields = new LinkedHashMap<>(attributes.extensions());
    fields.put("specversion", "1.0");
    fields.put("id", attributes.id());
    fields.put("source", attributes.source());
    fields.put("type", type());
    fields.put("time", Times.text(attributes.time()));
    fields.put("datacontenttype", Json.CONTENT_TYPE);
    // In CloudEvents a list is JSON in text.
    fields.put("recipients", recipients() == null ? null : Json.text(recipients()));
    fields.put("externalid", externalId());
    fields.put("projectid", projectId() == null || projectId().isEmpty() ? null : projectId());
    fields.put("account", account());
    fields.put("actor", attributes.actor());
    fields.put("subject", attributes.subject());
    fields.put("expires", Times.text(attributes.expires()));
    fields.put("deliverat", Times.text(attributes.deliverAt()));
    fields.put("supersedekey", attributes.supersedeKey());
    fields.put("partitionkey", key());
    fields.put("traceparent", attributes.traceparent());
    fields.values().removeIf(Objects::isNull);
    Map<String, Object> data = new LinkedHashMap<>(data().fields());
    data.replaceAll((name, value) -> value instanceof OffsetDateTime time ? Times.text(time) : value);
    fields.put("data", data);
    return fields;
  }

  /** Return the event as the official SDK's. Throw {@link InvalidEventException}. */
  default CloudEvent toCloudEvent() {
    return CloudEvents.of(this, 0);
  }
}
