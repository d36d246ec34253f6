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
 * FON request answered
 *
 * <p>A FON request has been answered
 *
 * <p>Notifies the group <code>external_id</code>, by email.
 */
public record FonAnswered(
    EventAttributes attributes,
    String externalId,
    String projectId,
    Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "fon_answered",
          List.of("external_id"),
          List.of(),
          List.of(
              new DataField("request_id", "string", false),
              new DataField("site", "string", false),
              new DataField("available", "boolean", false),
              new DataField("comment", "string", false)),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public FonAnswered with(EventAttributes attributes) {
    return new FonAnswered(attributes, externalId, projectId, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>fon_answered</code>. */
  public record Data(
      String requestId,
      String site,
      Boolean available,
      String comment,
      Map<String, Object> other) implements EventData {
    /** Return a builder. */
    public static Builder builder() {
      return new Builder();
    }

    @Override
    public Map<String, Object> fields() {
      return EventData.fields(other,
          "request_id", requestId,
          "site", site,
          "available", available,
          "comment", comment);
    }

    /** Sets the fields of the data. */
    public static final class Builder extends EventData.Builder<Builder> {
      private String requestId;
      private String site;
      private Boolean available;
      private String comment;

      /** Set the request's number. */
      public Builder requestId(String requestId) {
        this.requestId = requestId;
        return this;
      }

      /** Set the place or route that was asked about. */
      public Builder site(String site) {
        this.site = site;
        return this;
      }

      /** Set whether it can be had there. */
      public Builder available(boolean available) {
        this.available = available;
        return this;
      }

      /** Set what was said with the answer. */
      public Builder comment(String comment) {
        this.comment = comment;
        return this;
      }

      /** Return the data. */
      public Data build() {
        return new Data(requestId, site, available, comment, other());
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
    public FonAnswered build() {
      return new FonAnswered(attributes(), externalId, projectId, data);
    }
  }
}
