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
 * Drives will be deleted soon
 *
 * <p>Notifies the contacts of <code>account</code>, by email.
 */
public record DrivesDeleteSoon(EventAttributes attributes, String account, Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "drives_delete_soon",
          List.of("account"),
          List.of(),
          List.of(
              new DataField("drive_count", "integer", false),
              new DataField("deletes_at", "datetime", false)),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public DrivesDeleteSoon with(EventAttributes attributes) {
    return new DrivesDeleteSoon(attributes, account, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>drives_delete_soon</code>. */
  public record Data(
      Long driveCount,
      OffsetDateTime deletesAt,
      Map<String, Object> other) implements EventData {
    /** Return a builder. */
    public static Builder builder() {
      return new Builder();
    }

    @Override
    public Map<String, Object> fields() {
      return EventData.fields(other,
          "drive_count", driveCount,
          "deletes_at", deletesAt);
    }

    /** Sets the fields of the data. */
    public static final class Builder extends EventData.Builder<Builder> {
      private Long driveCount;
      private OffsetDateTime deletesAt;

      /** Set how many drives. */
      public Builder driveCount(long driveCount) {
        this.driveCount = driveCount;
        return this;
      }

      /** Set when the deletion takes place. */
      public Builder deletesAt(OffsetDateTime deletesAt) {
        this.deletesAt = deletesAt;
        return this;
      }

      /** Return the data. */
      public Data build() {
        return new Data(driveCount, deletesAt, other());
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
    public DrivesDeleteSoon build() {
      return new DrivesDeleteSoon(attributes(), account, data);
    }
  }
}
