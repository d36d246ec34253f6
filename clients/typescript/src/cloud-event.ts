/** Events as CloudEvents of the official SDK, and as what it writes. */
import { CloudEvent, HTTP, Kafka } from "cloudevents";

import { InvalidEvent } from "./errors.js";
import { Event } from "./event.js";
import { validate } from "./validation.js";

/** How a CloudEvent is carried: as one JSON document, or as headers and data. */
export type Mode = "structured" | "binary";

/** A CloudEvent of the official SDK. */
export type AnyCloudEvent = CloudEvent<unknown>;

/** Key, headers and value of a Kafka record. */
export interface KafkaRecord {
  readonly key: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: string | Buffer;
}

/** Headers and body of a request. */
export interface HttpMessage {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

/**
 * Return a valid event as the official SDK's; a CloudEvent is returned as it is, for the service to decide.
 *
 * Throw InvalidEvent, with `index` as the event's place.
 */
export function toCloudEvent(event: Event | AnyCloudEvent, index = 0): AnyCloudEvent {
  if (!(event instanceof Event)) return event;
  try {
    validate(event);
    // The SDK's own checks differ from the service's: it refuses a source with a blank.
    return new CloudEvent(event.fields(), false);
  } catch (error) {
    if (error instanceof InvalidEvent) throw new InvalidEvent(error.reason, error.detail, index);
    throw new InvalidEvent("invalid_attribute", (error as Error).message, index);
  }
}

/** Return the CloudEvent in structured JSON. */
export function readCloudEvent(structured: string): AnyCloudEvent {
  return new CloudEvent(JSON.parse(structured), false);
}

/** Return structured JSON. */
export function structuredText(event: AnyCloudEvent): string {
  return bodyText(HTTP.structured(event).body).toString();
}

/** Return the event's record; the key is its `partitionkey`. */
export function kafkaRecord(event: AnyCloudEvent, mode: Mode): KafkaRecord {
  const message = Kafka[mode](event);
  const key = typeof message.key === "string" ? message.key : undefined;
  return { key, headers: textHeaders(message.headers), value: bodyText(message.value) };
}

/** Return headers and body of the event's request. */
export function httpMessage(event: AnyCloudEvent, mode: Mode): HttpMessage {
  const message = HTTP[mode](event);
  const headers = Object.entries(textHeaders(message.headers)).map(([name, text]) => [
    name,
    name.startsWith("ce-") ? percentEncoded(text) : text,
  ]);
  return { headers: Object.fromEntries(headers), body: bodyText(message.body) };
}

/** Return the headers that have a value, as text. */
function textHeaders(headers: object): Record<string, string> {
  const set = Object.entries(headers).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(set.map(([name, value]) => [name, String(value)]));
}

/** Return a header's value as the HTTP binding has it (CloudEvents 1.0.2, section 3.1.3.2). */
function percentEncoded(text: string): string {
  return text.replace(/[^\x21\x23\x24\x26-\x7e]/gu, encodeURIComponent);
}

function bodyText(body: unknown): string | Buffer {
  return typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body ?? null);
}
