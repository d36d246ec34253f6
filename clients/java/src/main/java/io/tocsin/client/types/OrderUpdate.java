// Written by `tocsin types generate java`: do not edit.
package io.tocsin.client.types;

import io.tocsin.client.DataField;
import io.tocsin.client.Event;
import io.tocsin.client.EventAttributes;
import io.tocsin.client.EventBuilder;
import io.tocsin.client.EventData;
import io.tocsin.client.EventType;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Map;

/**
 * Order updated
 *
 * <p>An order has been updated
 *
 * <p>Notifies the group <code>external_id</code>, by email.
 */
public record OrderUpdate(
    EventAttributes attributes,
    String externalId,
    String projectId,
    Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "order_update",
          List.of("external_id"),
          List.of(),
          List.of(
              new DataField("order_id", "string", false),
              new DataField("updated_by", "string", false),
              new DataField("summary", "string", false),
              new DataField("expected_at", "datetime", false)),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public OrderUpdate with(EventAttributes attributes) {
    return new OrderUpdate(attributes, externalId, projectId, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>order_update</code>. */
  public record Data(
      String orderId,
      String updatedBy,
      String summary,
      OffsetDateTime expectedAt,
      Map<String, Object> other) implements EventData {
    /** Return a builder. */
    public static Builder builder() {
      return new Builder();
    }

    @Override
    public Map<String, Object> fields() {
      return EventData.fields(other,
          "order_id", orderId,
          "updated_by", updatedBy,
          "summary", summary,
          "expected_at", expectedAt);
    }

    /** Sets the fields of the data. */
    public static final class Builder extends EventData.Builder<Builder> {
      private String orderId;
      private String updatedBy;
      private String summary;
      private OffsetDateTime expectedAt;

      /** Set the order's number. */
      public Builder orderId(String orderId) {
        this.orderId = orderId;
        return this;
      }

      /** Set the name of the person who changed it. */
      public Builder updatedBy(String updatedBy) {
        this.updatedBy = updatedBy;
        return this;
      }

      /** Set what has changed, in a few words. */
      public Builder summary(String summary) {
        this.summary = summary;
        return this;
      }

      /** Set when delivery is expected now. */
      public Builder expectedAt(OffsetDateTime expectedAt) {
        this.expectedAt = expectedAt;
        return this;
      }

      /** Return the data. */
      public Data build() {
        return new Data(orderId, updatedBy, summary, expectedAt, other());
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
    public OrderUpdate build() {
      return new OrderUpdate(attributes(), externalId, projectId, data);
    }
  }
}
