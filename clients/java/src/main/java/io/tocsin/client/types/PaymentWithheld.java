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
 * Payment withheld
 *
 * <p>A payment is withheld for review
 *
 * <p>Notifies the contacts of <code>account</code>, by inbox.
 */
public record PaymentWithheld(EventAttributes attributes, String account, Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "payment_withheld",
          List.of("account"),
          List.of(),
          List.of(
              new DataField("payment_id", "string", false),
              new DataField("amount", "number", false),
              new DataField("currency", "string", false)),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public PaymentWithheld with(EventAttributes attributes) {
    return new PaymentWithheld(attributes, account, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>payment_withheld</code>. */
  public record Data(
      String paymentId,
      Number amount,
      String currency,
      Map<String, Object> other) implements EventData {
    /** Return a builder. */
    public static Builder builder() {
      return new Builder();
    }

    @Override
    public Map<String, Object> fields() {
      return EventData.fields(other,
          "payment_id", paymentId,
          "amount", amount,
          "currency", currency);
    }

    /** Sets the fields of the data. */
    public static final class Builder extends EventData.Builder<Builder> {
      private String paymentId;
      private Number amount;
      private String currency;

      /** Set the payment's number. */
      public Builder paymentId(String paymentId) {
        this.paymentId = paymentId;
        return this;
      }

      /** Set what was to be paid, in <code>currency</code>. */
      public Builder amount(Number amount) {
        this.amount = amount;
        return this;
      }

      /** Set ISO 4217 code of the money fields. */
      public Builder currency(String currency) {
        this.currency = currency;
        return this;
      }

      /** Return the data. */
      public Data build() {
        return new Data(paymentId, amount, currency, other());
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
    public PaymentWithheld build() {
      return new PaymentWithheld(attributes(), account, data);
    }
  }
}
