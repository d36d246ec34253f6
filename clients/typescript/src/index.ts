/**
 * Publish events to Tocsin: typed, validated before they are sent, over Kafka or HTTP.
 *
 * `KafkaPublisher` is in `@tocsin/client/kafka`, the events of the shipped types in `@tocsin/client/types`.
 */
export { toCloudEvent, type AnyCloudEvent, type Mode } from "./cloud-event.js";
export {
  AccessDenied,
  InvalidEvent,
  PublishError,
  REASONS,
  RequestRefused,
  Unavailable,
  type Reason,
} from "./errors.js";
export type { DataField, EventType, FieldType } from "./event-type.js";
export {
  Event,
  eventId,
  supersede,
  withdraw,
  Withdraw,
  withdrawId,
  withdrawKey,
  type Audience,
  type EventAttributes,
  type EventClass,
  type EventFields,
} from "./event.js";
export { HttpPublisher, type Credential, type HttpOptions, type Retries } from "./http.js";
export { OutboxRelay, type Connection, type RelayOptions } from "./outbox-relay.js";
export { Outbox, sqlite, type Dialect, type OutboxRow, type Queryable, type SqliteDatabase } from "./outbox.js";
export type { Publisher } from "./publisher.js";
export { RecordingPublisher } from "./testing.js";
export { validate } from "./validation.js";
