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
 * Order terminated
 *
 * <p>The termination of an order has been recorded
 *
 * <p>Notifies the group <code>external_id</code>, by email.
 */
public record OrderTerminate(
    EventAttributes attributes,
    String externalId,
    String projectId,
    Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "order_terminate",
          List.of("external_id"),
          List.of(),
          List.of(
              new DataField("order_id", "string", false),
              new DataField("service_id", "string", false),
              new DataField("ends_at", "datetime", false)),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public OrderTerminate with(EventAttributes attributes) {
    return new OrderTerminate(attributes, externalId, projectId, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>order_terminate</code>. */
  public record Data(
      String orderId,
      String serviceId,
      OffsetDateTime endsAt,
      Map<String, Object> other) implements EventData {
    /** Return a builder. */
    public static Builder builder() {
      return new Builder();
    }

    @Override
    public Map<String, Object> fields() {
      return EventData.fields(other,
          "order_id", orderId,
          "service_id", serviceId,
          "ends_at", endsAt);
    }

    /** Sets the fields of the data. */
    public static final class Builder extends EventData.Builder<Builder> {
      private String orderId;
      private String serviceId;
      private OffsetDateTime endsAt;

      /** Set the order's number. */
      public Builder orderId(String orderId) {
        this.orderId = orderId;
        return this;
      }

      /** Set the service that ends with it. */
      public Builder serviceId(String serviceId) {
        this.serviceId = serviceId;
        return this;
      }

      /** Set until when the service is available. */
      public Builder endsAt(OffsetDateTime endsAt) {
        this.endsAt = endsAt;
        return this;
      }

      /** Return the data. */
      public Data build() {
        return new Data(orderId, serviceId, endsAt, other());
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
    public OrderTerminate build() {
      return new OrderTerminate(attributes(), externalId, projectId, data);
    }
  }
}
