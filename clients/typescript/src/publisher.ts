/** The port of publishing: services depend on it, tests replace it by `RecordingPublisher`. */
import type { AnyCloudEvent } from "./cloud-event.js";
import type { Event } from "./event.js";

const MAX_EVENTS = 500;
const MAX_BYTES = 900 * 1024;

/** Publishes events to Tocsin. */
export interface Publisher {
  /**
   * Resolve once all events are acknowledged.
   *
   * Reject with InvalidEvent before anything is sent, if one of them is refused; with PublishError where they were not
   * acknowledged. To publish the same events again has no second effect.
   */
  publish(...events: (Event | AnyCloudEvent)[]): Promise<void>;
}

/** Yield values in batches of at most 500 and 900 KiB, each with the place of its first value. */
export function* batches<Value>(
  values: readonly Value[],
  bytes: (value: Value) => number,
): Generator<{ readonly first: number; readonly batch: Value[] }> {
  let first = 0;
  let size = 0;
  for (const [index, value] of values.entries()) {
    const added = bytes(value);
    if (index > first && (index - first === MAX_EVENTS || size + added > MAX_BYTES)) {
      yield { first, batch: values.slice(first, index) };
      [first, size] = [index, 0];
    }
    size += added;
  }
  if (first < values.length) yield { first, batch: values.slice(first) };
}
