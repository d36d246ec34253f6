/** Events as values: what all types have in common, ids, withdrawing and superseding. */
import { createHash, randomUUID } from "node:crypto";

import { member, supersedeKey, type EventType } from "./event-type.js";

const NAMESPACE = Buffer.from("5f0c8f9e3a535c3e9f0b6a3d0c1e7b52", "hex");
const LONGEST_KEY = 1024;

type Optional<Fields> = { readonly [Name in keyof Fields]?: Fields[Name] | undefined };

/**
 * What any event has.
 *
 * `source` and `id` identify it: Tocsin delivers the same pair once; the default of `id` is a random UUID. `time`: when
 * it happened (default: now). `actor`: the recipient who caused it, and is not notified. `expires`: a delivery that is
 * not made by then is not made. `deliverAt`: it is not delivered before. `supersedeKey` replaces that of the type.
 * `partitionKey`: of events with the same one the order is kept; the default is the first recipient, else the account,
 * the group or the id.
 */
export type EventAttributes = { readonly source: string } & Optional<{
  id: string;
  time: Date;
  actor: string;
  subject: string;
  expires: Date;
  deliverAt: Date;
  supersedeKey: string;
  partitionKey: string;
  traceparent: string;
  extensions: Readonly<Record<string, string | number | boolean>>;
}>;

/** The attributes that name the audience; the classes of types say which of them they need. */
export type Audience = Optional<{
  recipients: readonly string[];
  externalId: string;
  projectId: string;
  account: string;
}>;

/** What the class of a type is made from: the attributes of any event, and its data. */
export type EventFields<Data extends object> = EventAttributes &
  (Record<never, never> extends Data ? { readonly data?: Data } : { readonly data: Data });

/** A fact that recipients are notified of. The classes of types add their audience and the type of `data`. */
export abstract class Event<Data extends object = object> {
  static readonly declared: EventType;

  readonly source: string;
  readonly data: Data;
  readonly id: string;
  readonly time: Date;
  readonly actor: string | undefined;
  readonly subject: string | undefined;
  readonly expires: Date | undefined;
  readonly deliverAt: Date | undefined;
  readonly supersedeKey: string | undefined;
  readonly partitionKey: string | undefined;
  readonly traceparent: string | undefined;
  readonly extensions: Readonly<Record<string, string | number | boolean>>;
  readonly recipients: readonly string[] | undefined;
  readonly externalId: string | undefined;
  readonly projectId: string | undefined;
  readonly account: string | undefined;

  constructor(fields: EventAttributes & Audience & { readonly data?: Data }) {
    this.source = fields.source;
    this.data = fields.data ?? ({} as Data);
    this.id = fields.id ?? randomUUID();
    this.time = fields.time ?? new Date();
    this.actor = fields.actor;
    this.subject = fields.subject;
    this.expires = fields.expires;
    this.deliverAt = fields.deliverAt;
    this.supersedeKey = fields.supersedeKey;
    this.partitionKey = fields.partitionKey;
    this.traceparent = fields.traceparent;
    this.extensions = fields.extensions ?? {};
    this.recipients = fields.recipients;
    this.externalId = fields.externalId;
    this.projectId = fields.projectId;
    this.account = fields.account;
  }

  /** What is declared of its type. */
  get declared(): EventType {
    return (this.constructor as typeof Event).declared;
  }

  get type(): string {
    return this.declared.name;
  }

  /** Return the event in structured form: attributes by their names on the wire, and `data`. */
  fields(): Record<string, unknown> {
    return present({
      ...this.extensions,
      specversion: "1.0",
      id: this.id,
      source: this.source,
      type: this.type,
      time: written(this.time),
      datacontenttype: "application/json",
      recipients: this.recipients && JSON.stringify(this.recipients), // in CloudEvents a list is JSON in text
      externalid: this.externalId,
      projectid: this.projectId || undefined,
      account: this.account,
      actor: this.actor,
      subject: this.subject,
      expires: written(this.expires),
      deliverat: written(this.deliverAt),
      supersedekey: this.supersedeKey,
      partitionkey: this.key(),
      traceparent: this.traceparent,
      data: Object.fromEntries(
        Object.entries(this.data).flatMap(([name, value]) => (value === undefined ? [] : [[name, written(value)]])),
      ),
    });
  }

  /** Return the key of the event's Kafka record. */
  key(): string {
    if (this.partitionKey) return this.partitionKey;
    const inData = this.declared.recipientFields?.map((name) => member(this.data, name)) ?? [];
    const named = [...(this.recipients ?? []), ...inData, this.account, this.externalId];
    return named.find((name): name is string => typeof name === "string" && name !== "") ?? this.id;
  }
}

/** The class of a type. */
export type EventClass<Made extends Event = Event> = (abstract new (fields: never) => Made) & {
  readonly declared: EventType;
};

/**
 * An event that withdraws others: make it with `withdraw`, `withdrawId` or `withdrawKey`.
 *
 * `target`: the type of the events, where they are withdrawn by their supersede key.
 */
export class Withdraw extends Event {
  static override readonly declared: EventType = { name: "withdraw" };

  readonly target: EventType | undefined;

  constructor(fields: EventFields<object> & { readonly target?: EventType | undefined }) {
    super(fields);
    this.target = fields.target;
  }
}

/**
 * Return the id of a fact: the same source and parts always give the same UUID (version 5, RFC 9562).
 *
 * A fact that is published again by another attempt of a job or request has no second effect then.
 */
export function eventId(source: string, ...parts: (string | number | bigint)[]): string {
  if (parts.length === 0) throw new RangeError("an id needs parts that tell the fact from others of the source");
  const texts = [source, ...parts].map((part) => String(part).replaceAll("%", "%25").replaceAll("|", "%7C"));
  const hash = createHash("sha1").update(NAMESPACE).update(texts.join("|"), "utf8").digest();
  hash[6] = (hash[6]! & 0x0f) | 0x50; // the version
  hash[8] = (hash[8]! & 0x3f) | 0x80; // the variant
  return hash.toString("hex", 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** Return the event that withdraws an event: mail that was not sent, and its inbox entries. */
export function withdraw(event: Event): Withdraw {
  return withdrawId(event.source, event.id);
}

/** Return the event that withdraws the event with this source and id. It has the same id each time. */
export function withdrawId(source: string, id: string): Withdraw {
  return new Withdraw({ source, id: eventId(source, "withdraw", id), data: { id } });
}

/**
 * Return the event that withdraws all events of a type with a supersede key up to now.
 *
 * The key is `key`, or that of an event with this `data`: exactly one of them is needed.
 */
export function withdrawKey<Data extends object>(
  eventClass: EventClass<Event<Data>>,
  source: string,
  target: { readonly key?: string; readonly data?: Partial<Data> },
): Withdraw {
  const data = present({ type: eventClass.declared.name, key: target.key, data: target.data });
  return new Withdraw({ source, data, target: eventClass.declared });
}

/**
 * Return `next` with the supersede key of `old`, so that mail of `old` that was not sent is not sent.
 *
 * Throw RangeError for another type, a `next` that is not newer, and an `old` without a key: withdraw that one.
 */
export function supersede<Made extends Event>(old: Event, next: Made): Made {
  if (old.type !== next.type) throw new RangeError(`${next.type} cannot supersede ${old.type}`);
  if (next.time <= old.time) {
    throw new RangeError("of events with one supersede key only the newest is mailed: it must have a later time");
  }
  const key = old.supersedeKey ?? supersedeKey(old.declared, old.data);
  if (!key || [...key].length > LONGEST_KEY) {
    throw new RangeError(`the event has no supersede key of 1 to ${LONGEST_KEY} characters: withdraw it instead`);
  }
  const made = next.constructor as new (fields: object) => Made;
  return new made({ ...next, supersedeKey: key });
}

/** Return the members that are set: null and undefined mean unset. */
export function present(fields: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null));
}

/** Return a time in text (RFC 3339); any other value as it is. */
function written(value: unknown): unknown {
  if (!(value instanceof Date)) return value;
  return Number.isNaN(value.getTime()) ? String(value) : value.toISOString();
}
