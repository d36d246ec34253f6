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
 * Account created
 *
 * <p>An account has been created
 *
 * <p>Notifies the contacts of <code>account</code>, by email.
 */
public record NewAccount(EventAttributes attributes, String account, Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "new_account",
          List.of("account"),
          List.of(),
          List.of(
              new DataField("login", "string", false),
              new DataField("trial_ends_at", "datetime", false)),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public NewAccount with(EventAttributes attributes) {
    return new NewAccount(attributes, account, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>new_account</code>. */
  public record Data(
      String login,
      OffsetDateTime trialEndsAt,
      Map<String, Object> other) implements EventData {
    /** Return a builder. */
    public static Builder builder() {
      return new Builder();
    }

    @Override
    public Map<String, Object> fields() {
      return EventData.fields(other,
          "login", login,
          "trial_ends_at", trialEndsAt);
    }

    /** Sets the fields of the data. */
    public static final class Builder extends EventData.Builder<Builder> {
      private String login;
      private OffsetDateTime trialEndsAt;

      /** Set the name to sign in with. */
      public Builder login(String login) {
        this.login = login;
        return this;
      }

      /** Set when the trial ends. */
      public Builder trialEndsAt(OffsetDateTime trialEndsAt) {
        this.trialEndsAt = trialEndsAt;
        return this;
      }

      /** Return the data. */
      public Data build() {
        return new Data(login, trialEndsAt, other());
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
    public NewAccount build() {
      return new NewAccount(attributes(), account, data);
    }
  }
}
