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
 * Order confirmed
 *
 * <p>An order has been confirmed
 *
 * <p>Notifies the group <code>external_id</code>, by email.
 */
public record OrderConfirm(
    EventAttributes attributes,
    String externalId,
    String projectId,
    Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "order_confirm",
          List.of("external_id"),
          List.of(),
          List.of(
              new DataField("order_id", "string", false),
              new DataField("reference", "string", false),
              new DataField("site", "string", false),
              new DataField("expected_at", "datetime", false)),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public OrderConfirm with(EventAttributes attributes) {
    return new OrderConfirm(attributes, externalId, projectId, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>order_confirm</code>. */
  public record Data(
      String orderId,
      String reference,
      String site,
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
          "reference", reference,
          "site", site,
          "expected_at", expectedAt);
    }

    /** Sets the fields of the data. */
    public static final class Builder extends EventData.Builder<Builder> {
      private String orderId;
      private String reference;
      private String site;
      private OffsetDateTime expectedAt;

      /** Set the order's number. */
      public Builder orderId(String orderId) {
        this.orderId = orderId;
        return this;
      }

      /** Set the customer's own reference. */
      public Builder reference(String reference) {
        this.reference = reference;
        return this;
      }

      /** Set where the service is delivered. */
      public Builder site(String site) {
        this.site = site;
        return this;
      }

      /** Set when delivery is expected. */
      public Builder expectedAt(OffsetDateTime expectedAt) {
        this.expectedAt = expectedAt;
        return this;
      }

      /** Return the data. */
      public Data build() {
        return new Data(orderId, reference, site, expectedAt, other());
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
    public OrderConfirm build() {
      return new OrderConfirm(attributes(), externalId, projectId, data);
    }
  }
}
