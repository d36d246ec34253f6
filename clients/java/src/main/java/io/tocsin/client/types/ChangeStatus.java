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
 * Order status changed
 *
 * <p>The status of an order has changed
 *
 * <p>Notifies the group <code>external_id</code>, by email.
 */
public record ChangeStatus(
    EventAttributes attributes,
    String externalId,
    String projectId,
    Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "change_status",
          List.of("external_id"),
          List.of(),
          List.of(
              new DataField("order_id", "string", false),
              new DataField("status", "string", false),
              new DataField("previous_status", "string", false),
              new DataField("comment", "string", false)),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public ChangeStatus with(EventAttributes attributes) {
    return new ChangeStatus(attributes, externalId, projectId, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>change_status</code>. */
  public record Data(
      String orderId,
      String status,
      String previousStatus,
      String comment,
      Map<String, Object> other) implements EventData {
    /** Return a builder. */
    public static Builder builder() {
      return new Builder();
    }

    @Override
    public Map<String, Object> fields() {
      return EventData.fields(other,
          "order_id", orderId,
          "status", status,
          "previous_status", previousStatus,
          "comment", comment);
    }

    /** Sets the fields of the data. */
    public static final class Builder extends EventData.Builder<Builder> {
      private String orderId;
      private String status;
      private String previousStatus;
      private String comment;

      /** Set the order's number. */
      public Builder orderId(String orderId) {
        this.orderId = orderId;
        return this;
      }

      /** Set the new status, as people call it. */
      public Builder status(String status) {
        this.status = status;
        return this;
      }

      /** Set the status before. */
      public Builder previousStatus(String previousStatus) {
        this.previousStatus = previousStatus;
        return this;
      }

      /** Set what was said about the change. */
      public Builder comment(String comment) {
        this.comment = comment;
        return this;
      }

      /** Return the data. */
      public Data build() {
        return new Data(orderId, status, previousStatus, comment, other());
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
    public ChangeStatus build() {
      return new ChangeStatus(attributes(), externalId, projectId, data);
    }
  }
}
