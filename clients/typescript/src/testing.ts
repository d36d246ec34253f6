/** A test double: validates as the others do, and records instead of sending. */
import { toCloudEvent, type AnyCloudEvent } from "./cloud-event.js";
import { Event, type EventClass } from "./event.js";
import type { Publisher } from "./publisher.js";

/** A `Publisher` for tests. `events` are those that were published, each call's in its order. */
export class RecordingPublisher implements Publisher {
  readonly events: (Event | AnyCloudEvent)[] = [];
  #error: Error | undefined;

  /** Validate and record the events. Reject with InvalidEvent, or with the error of `failWith`. */
  async publish(...events: (Event | AnyCloudEvent)[]): Promise<void> {
    events.forEach((event, index) => toCloudEvent(event, index));
    const error = this.#error;
    this.#error = undefined;
    if (error) throw error;
    this.events.push(...events);
  }

  /** Return the published events of a type. */
  published<Made extends Event>(eventClass: EventClass<Made>): Made[] {
    return this.events.filter((event): event is Made => event instanceof eventClass);
  }

  /** Let the next call of `publish` reject and record nothing, such as with `new Unavailable("...")`. */
  failWith(error: Error): void {
    this.#error = error;
  }
}
