/** The relay of an outbox: publishes what is committed, and deletes it once it is acknowledged. */
import { setTimeout as pause } from "node:timers/promises";

import { readCloudEvent } from "./cloud-event.js";
import { InvalidEvent, type Reason } from "./errors.js";
import type { Outbox, OutboxRow, Queryable } from "./outbox.js";
import type { Publisher } from "./publisher.js";

/** A connection of the relay's own: a connected client of `pg`, or what `sqlite` returns. */
export interface Connection extends Queryable {
  end(): Promise<void>;
  on?(event: "error", listener: (error: Error) => void): unknown;
}

export interface RelayOptions {
  /** The most events that are published together. Default: 100. */
  readonly batch?: number;
  /** How long it waits when there are none, or when they cannot be published. Default: 1 s. */
  readonly pollMs?: number;
  /** Called with faults that are waited for, and with events that are refused. Default: a line on the console. */
  readonly onError?: (event: "outbox_not_published" | "outbox_event_refused", error: Error) => void;
}

/**
 * Publishes the events of an outbox in their order. Several may run.
 *
 * If it ends between the acknowledgement and the commit, the same events are published again, with the same ids, which
 * Tocsin delivers once. `connect` opens a connection of its own.
 */
export class OutboxRelay {
  readonly #outbox: Outbox;
  readonly #connect: () => Connection | Promise<Connection>;
  readonly #publisher: Publisher;
  readonly #batch: number;
  readonly #pollMs: number;
  readonly #onError: NonNullable<RelayOptions["onError"]>;
  #connection: Connection | undefined;

  constructor(
    outbox: Outbox,
    connect: () => Connection | Promise<Connection>,
    publisher: Publisher,
    options: RelayOptions = {},
  ) {
    this.#outbox = outbox;
    this.#connect = connect;
    this.#publisher = publisher;
    this.#batch = options.batch ?? 100;
    this.#pollMs = options.pollMs ?? 1000;
    this.#onError = options.onError ?? ((event, error) => console.error(event, error.message));
  }

  /** Publish until the signal is aborted. Faults of the database and of Tocsin are reported and waited for. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let count = 0;
      try {
        count = await this.publishBatch();
      } catch (error) {
        this.#onError("outbox_not_published", error as Error);
      }
      if (count === 0) await pause(this.#pollMs, undefined, { signal }).catch(() => undefined);
    }
    await this.close();
  }

  /**
   * Publish the next events; return their number, of those that are refused too.
   *
   * Reject with PublishError, or the database's errors; the events stay in the outbox then.
   */
  async publishBatch(): Promise<number> {
    try {
      const connection = (this.#connection ??= await this.#open());
      // On SQLite a transaction would keep others from writing while events are published.
      if (this.#outbox.locks) await connection.query("BEGIN");
      const rows = await this.#outbox.waiting(connection, this.#batch);
      const refused = await this.#publish(rows);
      if (!this.#outbox.locks) await connection.query("BEGIN");
      await this.#outbox.finish(connection, rows, refused);
      await connection.query("COMMIT"); // no transaction stays open while it waits
      return rows.length;
    } catch (error) {
      await this.close(); // rolls back: other relays can lock the rows
      throw error;
    }
  }

  /** Close the connection; the next batch opens another. */
  async close(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.end().catch(() => undefined);
  }

  async #open(): Promise<Connection> {
    const connection = await this.#connect();
    connection.on?.("error", () => undefined); // of an idle connection that breaks; the next query reports it
    return connection;
  }

  /** Publish events; return the reasons of those that are refused. One does not stop the rest. */
  async #publish(rows: readonly OutboxRow[]): Promise<Map<OutboxRow, Reason>> {
    const refused = new Map<OutboxRow, Reason>();
    const waiting = [...rows];
    while (waiting.length > 0) {
      try {
        await this.#publisher.publish(...waiting.map((row) => readCloudEvent(row.event)));
        break;
      } catch (error) {
        if (!(error instanceof InvalidEvent)) throw error;
        const [row] = waiting.splice(error.index, 1);
        if (row === undefined) throw error;
        refused.set(row, error.reason);
        this.#onError("outbox_event_refused", error);
      }
    }
    return refused;
  }
}
