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
 * Service activated
 *
 * <p>A service has been activated
 *
 * <p>Notifies the group <code>external_id</code>, by email.
 */
public record ServiceActivated(
    EventAttributes attributes,
    String externalId,
    String projectId,
    Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "service_activated",
          List.of("external_id"),
          List.of(),
          List.of(
              new DataField("service_id", "string", false),
              new DataField("order_id", "string", false),
              new DataField("site", "string", false),
              new DataField("activated_at", "datetime", false)),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public ServiceActivated with(EventAttributes attributes) {
    return new ServiceActivated(attributes, externalId, projectId, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>service_activated</code>. */
  public record Data(
      String serviceId,
      String orderId,
      String site,
      OffsetDateTime activatedAt,
      Map<String, Object> other) implements EventData {
    /** Return a builder. */
    public static Builder builder() {
      return new Builder();
    }

    @Override
    public Map<String, Object> fields() {
      return EventData.fields(other,
          "service_id", serviceId,
          "order_id", orderId,
          "site", site,
          "activated_at", activatedAt);
    }

    /** Sets the fields of the data. */
    public static final class Builder extends EventData.Builder<Builder> {
      private String serviceId;
      private String orderId;
      private String site;
      private OffsetDateTime activatedAt;

      /** Set the service's number. */
      public Builder serviceId(String serviceId) {
        this.serviceId = serviceId;
        return this;
      }

      /** Set the order it comes from. */
      public Builder orderId(String orderId) {
        this.orderId = orderId;
        return this;
      }

      /** Set where the service is delivered. */
      public Builder site(String site) {
        this.site = site;
        return this;
      }

      /** Set since when it has been active. */
      public Builder activatedAt(OffsetDateTime activatedAt) {
        this.activatedAt = activatedAt;
        return this;
      }

      /** Return the data. */
      public Data build() {
        return new Data(serviceId, orderId, site, activatedAt, other());
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
    public ServiceActivated build() {
      return new ServiceActivated(attributes(), externalId, projectId, data);
    }
  }
}
