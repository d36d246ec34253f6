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
 * Invoice available
 *
 * <p>An invoice is available
 *
 * <p>Notifies the group <code>external_id</code>, by email.
 */
public record InvoiceAvailable(
    EventAttributes attributes,
    String externalId,
    String projectId,
    Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "invoice_available",
          List.of("external_id"),
          List.of(),
          List.of(
              new DataField("invoice_id", "string", false),
              new DataField("period", "string", false),
              new DataField("amount", "number", false),
              new DataField("currency", "string", false),
              new DataField("due_at", "datetime", false)),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public InvoiceAvailable with(EventAttributes attributes) {
    return new InvoiceAvailable(attributes, externalId, projectId, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>invoice_available</code>. */
  public record Data(
      String invoiceId,
      String period,
      Number amount,
      String currency,
      OffsetDateTime dueAt,
      Map<String, Object> other) implements EventData {
    /** Return a builder. */
    public static Builder builder() {
      return new Builder();
    }

    @Override
    public Map<String, Object> fields() {
      return EventData.fields(other,
          "invoice_id", invoiceId,
          "period", period,
          "amount", amount,
          "currency", currency,
          "due_at", dueAt);
    }

    /** Sets the fields of the data. */
    public static final class Builder extends EventData.Builder<Builder> {
      private String invoiceId;
      private String period;
      private Number amount;
      private String currency;
      private OffsetDateTime dueAt;

      /** Set the invoice's number. */
      public Builder invoiceId(String invoiceId) {
        this.invoiceId = invoiceId;
        return this;
      }

      /** Set what span of time it is for. */
      public Builder period(String period) {
        this.period = period;
        return this;
      }

      /** Set the total, in <code>currency</code>. */
      public Builder amount(Number amount) {
        this.amount = amount;
        return this;
      }

      /** Set ISO 4217 code of <code>amount</code>. */
      public Builder currency(String currency) {
        this.currency = currency;
        return this;
      }

      /** Set when it is to be paid. */
      public Builder dueAt(OffsetDateTime dueAt) {
        this.dueAt = dueAt;
        return this;
      }

      /** Return the data. */
      public Data build() {
        return new Data(invoiceId, period, amount, currency, dueAt, other());
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
    public InvoiceAvailable build() {
      return new InvoiceAvailable(attributes(), externalId, projectId, data);
    }
  }
}
