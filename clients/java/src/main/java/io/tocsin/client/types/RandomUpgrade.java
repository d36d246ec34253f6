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
 * Account upgraded
 *
 * <p>The account was picked at random for an upgrade
 *
 * <p>Notifies the contacts of <code>account</code>, by email.
 */
public record RandomUpgrade(EventAttributes attributes, String account, Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "random_upgrade",
          List.of("account"),
          List.of(),
          List.of(
              new DataField("upgrade", "string", false),
              new DataField("ends_at", "datetime", false)),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public RandomUpgrade with(EventAttributes attributes) {
    return new RandomUpgrade(attributes, account, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>random_upgrade</code>. */
  public record Data(
      String upgrade,
      OffsetDateTime endsAt,
      Map<String, Object> other) implements EventData {
    /** Return a builder. */
    public static Builder builder() {
      return new Builder();
    }

    @Override
    public Map<String, Object> fields() {
      return EventData.fields(other,
          "upgrade", upgrade,
          "ends_at", endsAt);
    }

    /** Sets the fields of the data. */
    public static final class Builder extends EventData.Builder<Builder> {
      private String upgrade;
      private OffsetDateTime endsAt;

      /** Set what is better now. */
      public Builder upgrade(String upgrade) {
        this.upgrade = upgrade;
        return this;
      }

      /** Set when the upgrade ends. */
      public Builder endsAt(OffsetDateTime endsAt) {
        this.endsAt = endsAt;
        return this;
      }

      /** Return the data. */
      public Data build() {
        return new Data(upgrade, endsAt, other());
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
    public RandomUpgrade build() {
      return new RandomUpgrade(attributes(), account, data);
    }
  }
}
