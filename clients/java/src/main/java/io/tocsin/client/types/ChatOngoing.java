// Written by `tocsin types generate java`: do not edit.
package io.tocsin.client.types;

import io.tocsin.client.DataField;
import io.tocsin.client.Event;
import io.tocsin.client.EventAttributes;
import io.tocsin.client.EventBuilder;
import io.tocsin.client.EventData;
import io.tocsin.client.EventType;
import java.util.List;
import java.util.Map;

/**
 * Chat ongoing
 *
 * <p>There is something new in a chat
 *
 * <p>Notifies the group <code>external_id</code>, by email.
 */
public record ChatOngoing(
    EventAttributes attributes,
    String externalId,
    String projectId,
    Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "chat_ongoing",
          List.of("external_id"),
          List.of(),
          List.of(
              new DataField("order_id", "string", false),
              new DataField("author", "string", false),
              new DataField("excerpt", "string", false)),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public ChatOngoing with(EventAttributes attributes) {
    return new ChatOngoing(attributes, externalId, projectId, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>chat_ongoing</code>. */
  public record Data(
      String orderId,
      String author,
      String excerpt,
      Map<String, Object> other) implements EventData {
    /** Return a builder. */
    public static Builder builder() {
      return new Builder();
    }

    @Override
    public Map<String, Object> fields() {
      return EventData.fields(other,
          "order_id", orderId,
          "author", author,
          "excerpt", excerpt);
    }

    /** Sets the fields of the data. */
    public static final class Builder extends EventData.Builder<Builder> {
      private String orderId;
      private String author;
      private String excerpt;

      /** Set the order the chat is about. */
      public Builder orderId(String orderId) {
        this.orderId = orderId;
        return this;
      }

      /** Set the name of the person who wrote. */
      public Builder author(String author) {
        this.author = author;
        return this;
      }

      /** Set the beginning of what was written. */
      public Builder excerpt(String excerpt) {
        this.excerpt = excerpt;
        return this;
      }

      /** Return the data. */
      public Data build() {
        return new Data(orderId, author, excerpt, other());
      }
    }
  }

  /** Sets attributes and data. */
  public static final class Builder extends EventBuilder<Builder> {
    private String externalId;
    private String projectId;
    private Data data = Data.builder().build();

    /** Set the group. */
    public Builder externalId(String externalId) {
      this.externalId = externalId;
      return this;
    }

    /** Set the part of the group; optional. */
    public Builder projectId(String projectId) {
      this.projectId = projectId;
      return this;
    }

    /** Set the data. */
    public Builder data(Data data) {
      this.data = data;
      return this;
    }

    /** Return the event. It is validated when it is published. */
    public ChatOngoing build() {
      return new ChatOngoing(attributes(), externalId, projectId, data);
    }
  }
}
