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
 * Drives deleted
 *
 * <p>Drives have been deleted
 *
 * <p>Notifies the contacts of <code>account</code>, by email.
 */
public record DrivesDelete(EventAttributes attributes, String account, Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "drives_delete",
          List.of("account"),
          List.of(),
          List.of(
              new DataField("drive_count", "integer", false),
              new DataField("deleted_at", "datetime", false)),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public DrivesDelete with(EventAttributes attributes) {
    return new DrivesDelete(attributes, account, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>drives_delete</code>. */
  public record Data(
      Long driveCount,
      OffsetDateTime deletedAt,
      Map<String, Object> other) implements EventData {
    /** Return a builder. */
    public static Builder builder() {
      return new Builder();
    }

    @Override
    public Map<String, Object> fields() {
      return EventData.fields(other,
          "drive_count", driveCount,
          "deleted_at", deletedAt);
    }

    /** Sets the fields of the data. */
    public static final class Builder extends EventData.Builder<Builder> {
      private Long driveCount;
      private OffsetDateTime deletedAt;

      /** Set how many drives. */
      public Builder driveCount(long driveCount) {
        this.driveCount = driveCount;
        return this;
      }

      /** Set when the deletion took place. */
      public Builder deletedAt(OffsetDateTime deletedAt) {
        this.deletedAt = deletedAt;
        return this;
      }

      /** Return the data. */
      public Data build() {
        return new Data(driveCount, deletedAt, other());
      }
    }
  }

  /** Sets attributes and data. */
  public static final class Builder extends EventBuilder<Builder> {
    private String account;
    private Data data = Data.builder().build();

    /** Set the account. */
    public Builder account(String account) {
      this.account = account;
      return this;
    }

    /** Set the data. */
    public Builder data(Data data) {
      this.data = data;
      return this;
    }

    /** Return the event. It is validated when it is published. */
    public DrivesDelete build() {
      return new DrivesDelete(attributes(), account, data);
    }
  }
}
