package io.tocsin.client;

import io.cloudevents.CloudEvent;
import java.util.ArrayList;
import java.util.List;

/** A {@link Publisher} for tests: validates as the others do, and records instead of sending. */
public final class RecordingPublisher implements Publisher {
  private final List<Event> events = new ArrayList<>();
  private final List<CloudEvent> cloudEvents = new ArrayList<>();
  private RuntimeException error;

  @Override
  public synchronized void publish(List<? extends Event> events) {
    publishCloudEvents(CloudEvents.of(events));
    this.events.addAll(events);
  }

  @Override
  public synchronized void publishCloudEvents(List<? extends CloudEvent> events) {
    RuntimeException next = error;
    error = null;
    if (next != null) {
      throw next;
    }
    cloudEvents.addAll(events);
  }

  /** Return the published events of a type, in their order. */
  public synchronized <E extends Event> List<E> published(Class<E> type) {
    return events.stream().filter(type::isInstance).map(type::cast).toList();
  }

  /** Return everything that was published as CloudEvents, in its order. */
  public synchronized List<CloudEvent> cloudEvents() {
    return List.copyOf(cloudEvents);
  }

  /** Let the next call throw an error and record nothing, such as {@link UnavailableException}. */
  public synchronized void failWith(RuntimeException error) {
    this.error = error;
  }
}
