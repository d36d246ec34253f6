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
 * Trial ended
 *
 * <p>The trial has ended
 *
 * <p>Notifies the contacts of <code>account</code>, by email.
 */
public record TrialExpire(EventAttributes attributes, String account, Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "trial_expire",
          List.of("account"),
          List.of(),
          List.of(
              new DataField("expired_at", "datetime", false),
              new DataField("deletes_at", "datetime", false)),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public TrialExpire with(EventAttributes attributes) {
    return new TrialExpire(attributes, account, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>trial_expire</code>. */
  public record Data(
      OffsetDateTime expiredAt,
      OffsetDateTime deletesAt,
      Map<String, Object> other) implements EventData {
    /** Return a builder. */
    public static Builder builder() {
      return new Builder();
    }

    @Override
    public Map<String, Object> fields() {
      return EventData.fields(other,
          "expired_at", expiredAt,
          "deletes_at", deletesAt);
    }

    /** Sets the fields of the data. */
    public static final class Builder extends EventData.Builder<Builder> {
      private OffsetDateTime expiredAt;
      private OffsetDateTime deletesAt;

      /** Set when the trial ended. */
      public Builder expiredAt(OffsetDateTime expiredAt) {
        this.expiredAt = expiredAt;
        return this;
      }

      /** Set until when the data is kept. */
      public Builder deletesAt(OffsetDateTime deletesAt) {
        this.deletesAt = deletesAt;
        return this;
      }

      /** Return the data. */
      public Data build() {
        return new Data(expiredAt, deletesAt, other());
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
    public TrialExpire build() {
      return new TrialExpire(attributes(), account, data);
    }
  }
}
