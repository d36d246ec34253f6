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
 * Callback requested
 *
 * <p>User has requested a callback
 *
 * <p>Notifies every recipient with the role admin, by email and inbox.
 */
public record CallbackRequested(EventAttributes attributes, Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "callback_requested",
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
  public CallbackRequested with(EventAttributes attributes) {
    return new CallbackRequested(attributes, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>callback_requested</code>. */
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

      /** Set the account to be called back; required. */
      public Builder accountId(String accountId) {
        this.accountId = accountId;
        return this;
      }

      /** Set the name of the person to be called back. */
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
    public CallbackRequested build() {
      return new CallbackRequested(attributes(), data);
    }
  }
}
