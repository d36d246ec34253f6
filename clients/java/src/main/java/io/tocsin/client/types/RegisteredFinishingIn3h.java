// Written by `tocsin types generate java`: do not edit.
package io.tocsin.client.types;

import io.tocsin.client.Event;
import io.tocsin.client.EventAttributes;
import io.tocsin.client.EventBuilder;
import io.tocsin.client.EventData;
import io.tocsin.client.EventType;
import java.util.List;
import java.util.Map;

/**
 * Registered auction ends in 3 hours
 *
 * <p>Auction in tab registered auctions is finishing in 3 hours
 *
 * <p>Notifies <code>recipients</code>, by email and inbox.
 */
public record RegisteredFinishingIn3h(
    EventAttributes attributes,
    List<String> recipients,
    Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "registered_finishing_in_3h",
          List.of("recipients"),
          List.of(),
          List.of(),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public RegisteredFinishingIn3h with(EventAttributes attributes) {
    return new RegisteredFinishingIn3h(attributes, recipients, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>registered_finishing_in_3h</code>. */
  public record Data(Map<String, Object> other) implements EventData {
    /** Return a builder. */
    public static Builder builder() {
      return new Builder();
    }

    @Override
    public Map<String, Object> fields() {
      return EventData.fields(other);
    }

    /** Sets the fields of the data. */
    public static final class Builder extends EventData.Builder<Builder> {

      /** Return the data. */
      public Data build() {
        return new Data(other());
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
    public RegisteredFinishingIn3h build() {
      return new RegisteredFinishingIn3h(attributes(), recipients, data);
    }
  }
}
