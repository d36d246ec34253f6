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
 * Subscription expires soon
 *
 * <p>A subscription will expire soon
 *
 * <p>Notifies the contacts of <code>account</code>, by email.
 */
public record SubscriptionExpireSoon(EventAttributes attributes, String account, Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "subscription_expire_soon",
          List.of("account"),
          List.of(),
          List.of(
              new DataField("subscription", "string", false),
              new DataField("expires_at", "datetime", false)),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public SubscriptionExpireSoon with(EventAttributes attributes) {
    return new SubscriptionExpireSoon(attributes, account, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>subscription_expire_soon</code>. */
  public record Data(
      String subscription,
      OffsetDateTime expiresAt,
      Map<String, Object> other) implements EventData {
    /** Return a builder. */
    public static Builder builder() {
      return new Builder();
    }

    @Override
    public Map<String, Object> fields() {
      return EventData.fields(other,
          "subscription", subscription,
          "expires_at", expiresAt);
    }

    /** Sets the fields of the data. */
    public static final class Builder extends EventData.Builder<Builder> {
      private String subscription;
      private OffsetDateTime expiresAt;

      /** Set what is subscribed to. */
      public Builder subscription(String subscription) {
        this.subscription = subscription;
        return this;
      }

      /** Set when it ends. */
      public Builder expiresAt(OffsetDateTime expiresAt) {
        this.expiresAt = expiresAt;
        return this;
      }

      /** Return the data. */
      public Data build() {
        return new Data(subscription, expiresAt, other());
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
    public SubscriptionExpireSoon build() {
      return new SubscriptionExpireSoon(attributes(), account, data);
    }
  }
}
