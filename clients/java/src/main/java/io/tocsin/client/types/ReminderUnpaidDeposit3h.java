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
 * Unpaid deposit, auction ends in 3 hours
 *
 * <p>Auction is ending in 3h but there's participant with unpaid deposit
 *
 * <p>Notifies every recipient with the role admin, by email and inbox.
 */
public record ReminderUnpaidDeposit3h(EventAttributes attributes, Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "reminder_unpaid_deposit_3h",
          List.of(),
          List.of(),
          List.of(
              new DataField("lot_id", "string", true),
              new DataField("account_id", "string", true),
              new DataField("account_name", "string", false)),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public ReminderUnpaidDeposit3h with(EventAttributes attributes) {
    return new ReminderUnpaidDeposit3h(attributes, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>reminder_unpaid_deposit_3h</code>. */
  public record Data(
      String lotId,
      String accountId,
      String accountName,
      Map<String, Object> other) implements EventData {
    /** Return a builder. */
    public static Builder builder() {
      return new Builder();
    }

    @Override
    public Map<String, Object> fields() {
      return EventData.fields(other,
          "lot_id", lotId,
          "account_id", accountId,
          "account_name", accountName);
    }

    /** Sets the fields of the data. */
    public static final class Builder extends EventData.Builder<Builder> {
      private String lotId;
      private String accountId;
      private String accountName;

      /** Set the lot; required. */
      public Builder lotId(String lotId) {
        this.lotId = lotId;
        return this;
      }

      /** Set the participant; required. */
      public Builder accountId(String accountId) {
        this.accountId = accountId;
        return this;
      }

      /** Set the name of the participant. */
      public Builder accountName(String accountName) {
        this.accountName = accountName;
        return this;
      }

      /** Return the data. */
      public Data build() {
        return new Data(lotId, accountId, accountName, other());
      }
    }
  }

  /** Sets attributes and data. */
  public static final class Builder extends EventBuilder<Builder> {
    private Data data = Data.builder().build();

    /** Set the data. */
    public Builder data(Data data) {
      this.data = data;
      return this;
    }

    /** Return the event. It is validated when it is published. */
    public ReminderUnpaidDeposit3h build() {
      return new ReminderUnpaidDeposit3h(attributes(), data);
    }
  }
}
