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
 * Deposit received
 *
 * <p>Notifies <code>recipients</code>, by email and inbox.
 */
public record DepositReceived(
    EventAttributes attributes,
    List<String> recipients,
    Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "deposit_received",
          List.of("recipients"),
          List.of(),
          List.of(
              new DataField("lot_id", "string", true)),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public DepositReceived with(EventAttributes attributes) {
    return new DepositReceived(attributes, recipients, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>deposit_received</code>. */
  public record Data(String lotId, Map<String, Object> other) implements EventData {
    /** Return a builder. */
    public static Builder builder() {
      return new Builder();
    }

    @Override
    public Map<String, Object> fields() {
      return EventData.fields(other,
          "lot_id", lotId);
    }

    /** Sets the fields of the data. */
    public static final class Builder extends EventData.Builder<Builder> {
      private String lotId;

      /** Set the lot; required. */
      public Builder lotId(String lotId) {
        this.lotId = lotId;
        return this;
      }

      /** Return the data. */
      public Data build() {
        return new Data(lotId, other());
      }
    }
  }

  /** Sets attributes and data. */
  public static final class Builder extends EventBuilder<Builder> {
    private List<String> recipients;
    private Data data = Data.builder().build();

    /** Set the recipients. */
    public Builder recipients(List<String> recipients) {
      this.recipients = recipients;
      return this;
    }

    /** Set the recipients. */
    public Builder recipients(String... recipients) {
      return recipients(List.of(recipients));
    }

    /** Set the data. */
    public Builder data(Data data) {
      this.data = data;
      return this;
    }

    /** Return the event. It is validated when it is published. */
    public DepositReceived build() {
      return new DepositReceived(attributes(), recipients, data);
    }
  }
}
