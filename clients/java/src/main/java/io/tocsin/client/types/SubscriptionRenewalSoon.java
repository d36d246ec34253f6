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
 * Subscription renews soon
 *
 * <p>A subscription will renew automatically soon
 *
 * <p>Notifies the contacts of <code>account</code>, by email.
 */
public record SubscriptionRenewalSoon(EventAttributes attributes, String account, Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "subscription_renewal_soon",
          List.of("account"),
          List.of(),
          List.of(
              new DataField("subscription", "string", false),
              new DataField("renews_at", "datetime", false),
              new DataField("amount", "number", false),
              new DataField("currency", "string", false)),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public SubscriptionRenewalSoon with(EventAttributes attributes) {
    return new SubscriptionRenewalSoon(attributes, account, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>subscription_renewal_soon</code>. */
  public record Data(
      String subscription,
      OffsetDateTime renewsAt,
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
          "subscription", subscription,
          "renews_at", renewsAt,
          "amount", amount,
          "currency", currency);
    }

    /** Sets the fields of the data. */
    public static final class Builder extends EventData.Builder<Builder> {
      private String subscription;
      private OffsetDateTime renewsAt;
      private Number amount;
      private String currency;

      /** Set what is subscribed to. */
      public Builder subscription(String subscription) {
        this.subscription = subscription;
        return this;
      }

      /** Set when it renews. */
      public Builder renewsAt(OffsetDateTime renewsAt) {
        this.renewsAt = renewsAt;
        return this;
      }

      /** Set the price, in <code>currency</code>. */
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
        return new Data(subscription, renewsAt, amount, currency, other());
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
    public SubscriptionRenewalSoon build() {
      return new SubscriptionRenewalSoon(attributes(), account, data);
    }
  }
}
