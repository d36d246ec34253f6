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
 * Message from a potential buyer
 *
 * <p>Message from potential buyer of my direct sale lot
 *
 * <p>Notifies <code>recipients</code>, and the recipient in <code>receiver_id</code> of the data, and
 * every recipient with the role admin, by email and inbox.
 */
public record MessageFromBuyer(
    EventAttributes attributes,
    List<String> recipients,
    Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "message_from_buyer",
          List.of("recipients"),
          List.of("receiver_id"),
          List.of(
              new DataField("lot_id", "string", true),
              new DataField("sender_id", "string", true),
              new DataField("receiver_id", "string", true),
              new DataField("sender_name", "string", false)),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public MessageFromBuyer with(EventAttributes attributes) {
    return new MessageFromBuyer(attributes, recipients, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>message_from_buyer</code>. */
  public record Data(
      String lotId,
      String senderId,
      String receiverId,
      String senderName,
      Map<String, Object> other) implements EventData {
    /** Return a builder. */
    public static Builder builder() {
      return new Builder();
    }

    @Override
    public Map<String, Object> fields() {
      return EventData.fields(other,
          "lot_id", lotId,
          "sender_id", senderId,
          "receiver_id", receiverId,
          "sender_name", senderName);
    }

    /** Sets the fields of the data. */
    public static final class Builder extends EventData.Builder<Builder> {
      private String lotId;
      private String senderId;
      private String receiverId;
      private String senderName;

      /** Set the lot; required. */
      public Builder lotId(String lotId) {
        this.lotId = lotId;
        return this;
      }

      /** Set the potential buyer; required. */
      public Builder senderId(String senderId) {
        this.senderId = senderId;
        return this;
      }

      /** Set the seller, who is notified; required. */
      public Builder receiverId(String receiverId) {
        this.receiverId = receiverId;
        return this;
      }

      /** Set the name of the potential buyer. */
      public Builder senderName(String senderName) {
        this.senderName = senderName;
        return this;
      }

      /** Return the data. */
      public Data build() {
        return new Data(lotId, senderId, receiverId, senderName, other());
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
    public MessageFromBuyer build() {
      return new MessageFromBuyer(attributes(), recipients, data);
    }
  }
}
