package io.tocsin.client;

import io.cloudevents.CloudEvent;
import java.util.List;

/**
 * Publishes events to Tocsin: services depend on it, tests replace it by {@link RecordingPublisher}.
 *
 * <p>Each method returns once all events are acknowledged. It throws {@link InvalidEventException} before anything is
 * sent, if one of them is refused; {@link PublishException} where they were not acknowledged. To publish the same
 * events again has no second effect.
 */
public interface Publisher {
  /** Publish CloudEvents that were not made by the client: they are sent as they are, the service decides. */
  void publishCloudEvents(List<? extends CloudEvent> events);

  /** Publish events. */
  default void publish(List<? extends Event> events) {
    publishCloudEvents(CloudEvents.of(events));
  }

  /** Publish events. */
  default void publish(Event... events) {
    publish(List.of(events));
  }
}
