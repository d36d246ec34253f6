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
 * Study requested
 *
 * <p>A feasibility study has been requested
 *
 * <p>Notifies the group <code>external_id</code>, by email.
 */
public record StudyRequest(
    EventAttributes attributes,
    String externalId,
    String projectId,
    Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "study_request",
          List.of("external_id"),
          List.of(),
          List.of(
              new DataField("study_id", "string", false),
              new DataField("site", "string", false),
              new DataField("requested_by", "string", false),
              new DataField("due_at", "datetime", false)),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public StudyRequest with(EventAttributes attributes) {
    return new StudyRequest(attributes, externalId, projectId, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>study_request</code>. */
  public record Data(
      String studyId,
      String site,
      String requestedBy,
      OffsetDateTime dueAt,
      Map<String, Object> other) implements EventData {
    /** Return a builder. */
    public static Builder builder() {
      return new Builder();
    }

    @Override
    public Map<String, Object> fields() {
      return EventData.fields(other,
          "study_id", studyId,
          "site", site,
          "requested_by", requestedBy,
          "due_at", dueAt);
    }

    /** Sets the fields of the data. */
    public static final class Builder extends EventData.Builder<Builder> {
      private String studyId;
      private String site;
      private String requestedBy;
      private OffsetDateTime dueAt;

      /** Set the study's number. */
      public Builder studyId(String studyId) {
        this.studyId = studyId;
        return this;
      }

      /** Set the place that is studied. */
      public Builder site(String site) {
        this.site = site;
        return this;
      }

      /** Set the name of the person who asked. */
      public Builder requestedBy(String requestedBy) {
        this.requestedBy = requestedBy;
        return this;
      }

      /** Set when the answer is expected. */
      public Builder dueAt(OffsetDateTime dueAt) {
        this.dueAt = dueAt;
        return this;
      }

      /** Return the data. */
      public Data build() {
        return new Data(studyId, site, requestedBy, dueAt, other());
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
    public StudyRequest build() {
      return new StudyRequest(attributes(), externalId, projectId, data);
    }
  }
}
