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
 * Servers stopped
 *
 * <p>Servers have been stopped
 *
 * <p>Notifies the contacts of <code>account</code>, by email.
 */
public record StopServers(EventAttributes attributes, String account, Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "stop_servers",
          List.of("account"),
          List.of(),
          List.of(
              new DataField("server_count", "integer", false),
              new DataField("stopped_at", "datetime", false),
              new DataField("reason", "string", false)),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public StopServers with(EventAttributes attributes) {
    return new StopServers(attributes, account, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>stop_servers</code>. */
  public record Data(
      Long serverCount,
      OffsetDateTime stoppedAt,
      String reason,
      Map<String, Object> other) implements EventData {
    /** Return a builder. */
    public static Builder builder() {
      return new Builder();
    }

    @Override
    public Map<String, Object> fields() {
      return EventData.fields(other,
          "server_count", serverCount,
          "stopped_at", stoppedAt,
          "reason", reason);
    }

    /** Sets the fields of the data. */
    public static final class Builder extends EventData.Builder<Builder> {
      private Long serverCount;
      private OffsetDateTime stoppedAt;
      private String reason;

      /** Set how many servers. */
      public Builder serverCount(long serverCount) {
        this.serverCount = serverCount;
        return this;
      }

      /** Set when they were stopped. */
      public Builder stoppedAt(OffsetDateTime stoppedAt) {
        this.stoppedAt = stoppedAt;
        return this;
      }

      /** Set why, in a few words without a full stop. */
      public Builder reason(String reason) {
        this.reason = reason;
        return this;
      }

      /** Return the data. */
      public Data build() {
        return new Data(serverCount, stoppedAt, reason, other());
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
    public StopServers build() {
      return new StopServers(attributes(), account, data);
    }
  }
}
