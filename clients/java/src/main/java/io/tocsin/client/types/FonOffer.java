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
 * FON offer
 *
 * <p>A FON offer is ready
 *
 * <p>Notifies the group <code>external_id</code>, by email.
 */
public record FonOffer(
    EventAttributes attributes,
    String externalId,
    String projectId,
    Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "fon_offer",
          List.of("external_id"),
          List.of(),
          List.of(
              new DataField("offer_id", "string", false),
              new DataField("site", "string", false),
              new DataField("amount", "number", false),
              new DataField("currency", "string", false),
              new DataField("valid_until", "datetime", false)),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public FonOffer with(EventAttributes attributes) {
    return new FonOffer(attributes, externalId, projectId, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>fon_offer</code>. */
  public record Data(
      String offerId,
      String site,
      Number amount,
      String currency,
      OffsetDateTime validUntil,
      Map<String, Object> other) implements EventData {
    /** Return a builder. */
    public static Builder builder() {
      return new Builder();
    }

    @Override
    public Map<String, Object> fields() {
      return EventData.fields(other,
          "offer_id", offerId,
          "site", site,
          "amount", amount,
          "currency", currency,
          "valid_until", validUntil);
    }

    /** Sets the fields of the data. */
    public static final class Builder extends EventData.Builder<Builder> {
      private String offerId;
      private String site;
      private Number amount;
      private String currency;
      private OffsetDateTime validUntil;

      /** Set the offer's number. */
      public Builder offerId(String offerId) {
        this.offerId = offerId;
        return this;
      }

      /** Set the place or route it is for. */
      public Builder site(String site) {
        this.site = site;
        return this;
      }

      /** Set the price, in <code>currency</code>. */
      public Builder amount(Number amount) {
        this.amount = amount;
        return this;
      }

      /** Set ISO 4217 code of <code>amount</code>. */
      public Builder currency(String currency) {
        this.currency = currency;
        return this;
      }

      /** Set until when it can be accepted. */
      public Builder validUntil(OffsetDateTime validUntil) {
        this.validUntil = validUntil;
        return this;
      }

      /** Return the data. */
      public Data build() {
        return new Data(offerId, site, amount, currency, validUntil, other());
      }
    }
  }

  /** Sets attributes and data. */
  public static final class Builder extends EventBuilder<Builder> {
    private String externalId;
    private String projectId;
    private Data data = Data.builder().build();

    /** Set the group. */
    public Builder externalId(String externalId) {
      this.externalId = externalId;
      return this;
    }

    /** Set the part of the group; optional. */
    public Builder projectId(String projectId) {
      this.projectId = projectId;
      return this;
    }

    /** Set the data. */
    public Builder data(Data data) {
      this.data = data;
      return this;
    }

    /** Return the event. It is validated when it is published. */
    public FonOffer build() {
      return new FonOffer(attributes(), externalId, projectId, data);
    }
  }
}
