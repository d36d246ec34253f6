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
 * Carfax report for a watched auction
 *
 * <p>Carfax report for an auction from watchlist
 *
 * <p>Notifies <code>recipients</code>, by email and inbox.
 */
public record CarfaxReportForWatchlistAuction(
    EventAttributes attributes,
    List<String> recipients,
    Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "carfax_report_for_watchlist_auction",
          List.of("recipients"),
          List.of(),
          List.of(
              new DataField("request_id", "string", true)),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public CarfaxReportForWatchlistAuction with(EventAttributes attributes) {
    return new CarfaxReportForWatchlistAuction(attributes, recipients, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>carfax_report_for_watchlist_auction</code>. */
  public record Data(String requestId, Map<String, Object> other) implements EventData {
    /** Return a builder. */
    public static Builder builder() {
      return new Builder();
    }

    @Override
    public Map<String, Object> fields() {
      return EventData.fields(other,
          "request_id", requestId);
    }

    /** Sets the fields of the data. */
    public static final class Builder extends EventData.Builder<Builder> {
      private String requestId;

      /** Set the request; required. */
      public Builder requestId(String requestId) {
        this.requestId = requestId;
        return this;
      }

      /** Return the data. */
      public Data build() {
        return new Data(requestId, other());
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
    public CarfaxReportForWatchlistAuction build() {
      return new CarfaxReportForWatchlistAuction(attributes(), recipients, data);
    }
  }
}
