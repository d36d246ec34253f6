package io.tocsin.client;

import java.util.List;
import java.util.Map;

/**
 * An event that withdraws others: mail that was not sent, and inbox entries.
 *
 * @param target the type of the events, where they are withdrawn by their supersede key; else null
 */
public record Withdraw(EventAttributes attributes, Data data, EventType target) implements Event {
  public static final EventType TYPE = new EventType("withdraw", List.of(), List.of(), List.of(), null);

  /** What is withdrawn. */
  public record Data(Map<String, Object> fields) implements EventData {}

  /** Return the event that withdraws an event. */
  public static Withdraw of(Event event) {
    return ofId(event.source(), event.id());
  }

  /** Return the event that withdraws the event with this source and id. It has the same id each time. */
  public static Withdraw ofId(String source, String id) {
    EventAttributes attributes = new Builder().source(source).id(EventId.of(source, "withdraw", id)).attributes();
    return new Withdraw(attributes, new Data(Map.of("id", id)), null);
  }

  /** Return the event that withdraws all events of a type with a supersede key up to now. */
  public static Withdraw ofKey(EventType type, String source, String key) {
    return ofType(type, source, "key", key);
  }

  /** Return the event that withdraws all events of a type with the supersede key of this data up to now. */
  public static Withdraw ofKey(EventType type, String source, EventData data) {
    return ofType(type, source, "data", data.fields());
  }

  private static Withdraw ofType(EventType type, String source, String name, Object value) {
    Data data = new Data(Map.of("type", type.name(), name, value));
    return new Withdraw(new Builder().source(source).attributes(), data, type);
  }

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public Withdraw with(EventAttributes attributes) {
    return new Withdraw(attributes, data, target);
  }

  private static final class Builder extends EventBuilder<Builder> {}
}
