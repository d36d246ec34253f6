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
 * Study answered
 *
 * <p>A feasibility study has been answered
 *
 * <p>Notifies the group <code>external_id</code>, by email.
 */
public record StudyAnswered(
    EventAttributes attributes,
    String externalId,
    String projectId,
    Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "study_answered",
          List.of("external_id"),
          List.of(),
          List.of(
              new DataField("study_id", "string", false),
              new DataField("site", "string", false),
              new DataField("feasible", "boolean", false),
              new DataField("comment", "string", false)),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public StudyAnswered with(EventAttributes attributes) {
    return new StudyAnswered(attributes, externalId, projectId, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>study_answered</code>. */
  public record Data(
      String studyId,
      String site,
      Boolean feasible,
      String comment,
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
          "feasible", feasible,
          "comment", comment);
    }

    /** Sets the fields of the data. */
    public static final class Builder extends EventData.Builder<Builder> {
      private String studyId;
      private String site;
      private Boolean feasible;
      private String comment;

      /** Set the study's number. */
      public Builder studyId(String studyId) {
        this.studyId = studyId;
        return this;
      }

      /** Set the place that was studied. */
      public Builder site(String site) {
        this.site = site;
        return this;
      }

      /** Set whether the connection can be built. */
      public Builder feasible(boolean feasible) {
        this.feasible = feasible;
        return this;
      }

      /** Set what was said with the answer. */
      public Builder comment(String comment) {
        this.comment = comment;
        return this;
      }

      /** Return the data. */
      public Data build() {
        return new Data(studyId, site, feasible, comment, other());
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
    public StudyAnswered build() {
      return new StudyAnswered(attributes(), externalId, projectId, data);
    }
  }
}
