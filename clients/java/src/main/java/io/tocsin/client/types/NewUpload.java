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
 * New lot creation request
 *
 * <p>User hase made a lot creation request
 *
 * <p>Notifies every recipient with the role admin, by email and inbox.
 */
public record NewUpload(EventAttributes attributes, Data data) implements Event {
  public static final EventType TYPE =
      new EventType(
          "new_upload",
          List.of(),
          List.of(),
          List.of(
              new DataField("request_id", "string", true)),
          null);

  @Override
  public EventType eventType() {
    return TYPE;
  }

  @Override
  public NewUpload with(EventAttributes attributes) {
    return new NewUpload(attributes, data);
  }

  /** Return a builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** Data of <code>new_upload</code>. */
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

      /** Set the lot creation request; required. */
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
    private Data data = Data.builder().build();

    /** Set the data. */
    public Builder data(Data data) {
      this.data = data;
      return this;
    }

    /** Return the event. It is validated when it is published. */
    public NewUpload build() {
      return new NewUpload(attributes(), data);
    }
  }
}
