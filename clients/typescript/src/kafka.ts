/** Publish over Kafka: an idempotent producer, and a key that keeps the order of a recipient's events. */
import { compatibilityPartitioner, Producer, type ProducerOptions } from "@platformatic/kafka";

import { kafkaRecord, toCloudEvent, type AnyCloudEvent, type KafkaRecord, type Mode } from "./cloud-event.js";
import { Unavailable } from "./errors.js";
import type { Event } from "./event.js";
import { batches, type Publisher } from "./publisher.js";

type Options = ProducerOptions<Buffer, Buffer, Buffer, Buffer>;

const RETRY_DELAY_MS = 200;

export interface KafkaOptions {
  readonly topic?: string;
  /** How events are carried. Default: `structured`. */
  readonly mode?: Mode;
  /** For how long `publish` waits for the acknowledgement of all replicas. Default: 30 s. */
  readonly timeoutMs?: number;
  /** Further options of the producer of `@platformatic/kafka`, such as `tls` and `sasl`. */
  readonly producer?: Partial<Omit<Options, "retryDelay">>;
}

/** A `Publisher` over Kafka. `bootstrapServers`: host and port of brokers, separated by commas. */
export class KafkaPublisher implements Publisher {
  readonly #options: Options;
  readonly #topic: string;
  readonly #mode: Mode;
  readonly #timeoutMs: number;
  #producer: Producer<Buffer, Buffer, Buffer, Buffer> | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(bootstrapServers: string, options: KafkaOptions = {}) {
    const bootstrapBrokers = bootstrapServers.split(",").map((server) => server.trim());
    // The partitioner of Java's client: each language's events of one key are in one partition.
    const partitioner: Options["partitioner"] = (message, key) => compatibilityPartitioner(message, key);
    const own = { clientId: "tocsin-client", strict: true, partitioner, ...options.producer };
    this.#options = { ...own, bootstrapBrokers, retryDelay, idempotent: true, acks: -1 };
    this.#topic = options.topic ?? "events";
    this.#mode = options.mode ?? "structured";
    this.#timeoutMs = options.timeoutMs ?? 30_000;
  }

  /** Resolve once all events are acknowledged by all replicas in sync. Reject with InvalidEvent or Unavailable. */
  async publish(...events: (Event | AnyCloudEvent)[]): Promise<void> {
    const records = events.map((event, index) => kafkaRecord(toCloudEvent(event, index), this.#mode));
    // One after the other: the producer counts its sequence up at the acknowledgement. A second request before would
    // have the sequence of the first, and the broker would take it for a repeat.
    const sent = this.#last.then(() => this.#publish(records));
    this.#last = sent.catch(() => undefined);
    await sent;
  }

  /** Wait for what is being published, and close the connections; the next `publish` opens others. */
  async close(): Promise<void> {
    await this.#last;
    await this.#drop();
  }

  async #publish(records: readonly KafkaRecord[]): Promise<void> {
    if (records.length === 0) return;
    const late = new Unavailable(`no acknowledgement within ${this.#timeoutMs} ms`);
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(late), this.#timeoutMs);
    });
    try {
      await Promise.race([this.#send(records), timeout]);
    } catch (error) {
      // What was written is unknown, and so is the next sequence: the next attempt needs another producer.
      await this.#drop();
      throw isOfKafka(error) ? new Unavailable(`not acknowledged: ${error.message}`, { cause: error }) : error;
    } finally {
      clearTimeout(timer);
    }
  }

  async #send(records: readonly KafkaRecord[]): Promise<void> {
    const producer = (this.#producer ??= new Producer({ ...this.#options }));
    for (const { batch } of batches(records, (record) => Buffer.byteLength(record.value))) {
      const messages = batch.map(({ key, headers, value }) => ({
        topic: this.#topic,
        ...(key === undefined ? {} : { key: Buffer.from(key) }),
        headers: new Map(Object.entries(headers).map(([name, text]) => [Buffer.from(name), Buffer.from(text)])),
        value: typeof value === "string" ? Buffer.from(value) : value,
      }));
      await producer.send({ messages });
    }
  }

  async #drop(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    try {
      await producer?.close(true);
    } catch {
      // of connections that are closed already
    }
  }
}

/** Return whether an error is of Kafka or the connection, and not of the options or of a program. */
function isOfKafka(error: unknown): error is Error {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return code.startsWith("PLT_KFK_") && code !== "PLT_KFK_USER";
}

/** Return the pause before a request is repeated; end the repeats of a producer that is closed, which it does not. */
function retryDelay(client: object): number {
  const producer = client as Producer;
  if (producer.closed) setImmediate(() => producer.emit("client:close"));
  return RETRY_DELAY_MS;
}
