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
 * Balance running low
 *
 * <p>The balance will be used up soon
 *
 * <p>Notifies the contacts of <code>account</code>, by email.
 */
public record OutOfMoneySoon(EventAttributes attributes, String account, Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "out_of_money_soon",
          List.of("account"),
          List.of(),
          List.of(
              new DataField("balance", "number", false),
              new DataField("currency", "string", false),
              new DataField("runs_out_at", "datetime", false)),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public OutOfMoneySoon with(EventAttributes attributes) {
    return new OutOfMoneySoon(attributes, account, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>out_of_money_soon</code>. */
  public record Data(
      Number balance,
      String currency,
      OffsetDateTime runsOutAt,
      Map<String, Object> other) implements EventData {
    /** Return a builder. */
    public static Builder builder() {
      return new Builder();
    }

    @Override
    public Map<String, Object> fields() {
      return EventData.fields(other,
          "balance", balance,
          "currency", currency,
          "runs_out_at", runsOutAt);
    }

    /** Sets the fields of the data. */
    public static final class Builder extends EventData.Builder<Builder> {
      private Number balance;
      private String currency;
      private OffsetDateTime runsOutAt;

      /** Set what is left, in <code>currency</code>. */
      public Builder balance(Number balance) {
        this.balance = balance;
        return this;
      }

      /** Set ISO 4217 code of the money fields. */
      public Builder currency(String currency) {
        this.currency = currency;
        return this;
      }

      /** Set when the balance is used up at the present rate. */
      public Builder runsOutAt(OffsetDateTime runsOutAt) {
        this.runsOutAt = runsOutAt;
        return this;
      }

      /** Return the data. */
      public Data build() {
        return new Data(balance, currency, runsOutAt, other());
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
    public OutOfMoneySoon build() {
      return new OutOfMoneySoon(attributes(), account, data);
    }
  }
}
