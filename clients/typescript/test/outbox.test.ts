/**
 * The outbox on SQLite and on PostgreSQL: nothing is lost, and what is published twice has the same id.
 *
 * PGHOST names the server; without it, its tests are skipped.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import {
  InvalidEvent,
  Outbox,
  OutboxRelay,
  RecordingPublisher,
  sqlite,
  Unavailable,
  type AnyCloudEvent,
  type Connection,
  type Event,
  type SqliteDatabase,
} from "@tocsin/client";
import { Winner } from "@tocsin/client/types";
import pg from "pg";

const FOLDER = mkdtempSync(join(tmpdir(), "tocsin-client-"));
after(() => rmSync(FOLDER, { recursive: true }));

/** Return a function that opens an SQLite database: of Node where it has one, else of a package. */
async function sqliteDriver(): Promise<(file: string) => SqliteDatabase> {
  try {
    const name = "node:sqlite"; // since Node 22.5
    const { DatabaseSync } = await import(name);
    return (file) => new DatabaseSync(file);
  } catch {
    const { default: wasm } = await import("node-sqlite3-wasm");
    return (file) => {
      const database = new wasm.Database(file);
      const prepare = (sql: string) => ({
        all: (...params: never[]) => database.all(sql, params),
        run: (...params: never[]) => database.run(sql, params),
      });
      return { prepare, close: () => database.close() };
    };
  }
}

/** Connections to a database, and an outbox in it. */
class Database {
  constructor(
    readonly outbox: Outbox,
    readonly connect: () => Promise<Connection>,
    readonly connection: Connection,
  ) {}

  static async open(outbox: Outbox, connect: () => Promise<Connection>): Promise<Database> {
    const connection = await connect();
    await connection.query(outbox.ddl);
    return new Database(outbox, connect, connection);
  }

  /** Add events with these ids in a transaction, which ends with `end`. */
  async add(numbers: number[], end: "COMMIT" | "ROLLBACK" = "COMMIT"): Promise<void> {
    await this.connection.query("BEGIN");
    await this.outbox.add(this.connection, ...numbers.map(winner));
    await this.connection.query(end);
  }

  /** Return the id and the reason of what is in the outbox, by position. */
  async rows(): Promise<[number, unknown][]> {
    const { rows } = await this.connection.query("SELECT event, reason FROM events_out ORDER BY position");
    const written = rows as { event: string; reason: unknown }[];
    return written.map(({ event, reason }) => [Number(JSON.parse(event).id), reason]);
  }
}

function winner(number: number): Winner {
  return new Winner({ id: String(number), source: "/s", recipients: ["alice"], data: { lot_id: "7" } });
}

function ids(publisher: RecordingPublisher): number[] {
  return publisher.events.map((event) => Number(event.id));
}

let files = 0;

async function sqliteDatabase(): Promise<Database> {
  const open = await sqliteDriver();
  const file = join(FOLDER, `${files++}.db`);
  return Database.open(new Outbox("sqlite", { table: "events_out" }), async () => sqlite(open(file)));
}

async function postgresDatabase(): Promise<Database> {
  const connect = async () => {
    const client = new pg.Client();
    await client.connect();
    return client;
  };
  const connection = await connect();
  await connection.query("DROP TABLE IF EXISTS events_out");
  await connection.end();
  return Database.open(new Outbox("postgresql", { table: "public.events_out" }), connect);
}

/** Declare a test on both databases. */
function onBoth(name: string, run: (database: Database) => Promise<void>): void {
  const dialects = [
    ["sqlite", sqliteDatabase, false],
    ["postgresql", postgresDatabase, process.env["PGHOST"] ? false : "PGHOST names no server"],
  ] as const;
  for (const [dialect, open, skip] of dialects) {
    test(`${name} (${dialect})`, { skip }, async () => {
      const database = await open();
      try {
        await run(database);
      } finally {
        await database.connection.end();
      }
    });
  }
}

onBoth("only what is committed is published, in its order", async (database) => {
  const publisher = new RecordingPublisher();
  const relay = new OutboxRelay(database.outbox, database.connect, publisher, { batch: 2 });
  await database.add([3, 1]);
  await database.add([9], "ROLLBACK");
  await database.add([2]);

  const counts = [await relay.publishBatch(), await relay.publishBatch(), await relay.publishBatch()];
  await relay.close();

  assert.deepEqual([counts, ids(publisher), await database.rows()], [[2, 1, 0], [3, 1, 2], []]);
});

onBoth("an invalid event is refused when it is added", async (database) => {
  const invalid = new Winner({ source: "", recipients: ["a"], data: { lot_id: "7" } });
  await assert.rejects(database.outbox.add(database.connection, winner(1), invalid), {
    name: "InvalidEvent",
    reason: "missing_attribute",
    index: 1,
  });
  assert.deepEqual(await database.rows(), []);
});

onBoth("what was not deleted is published again, with the same ids", async (database) => {
  const publisher = new RecordingPublisher();
  let ends = true;
  /** A connection that breaks between the acknowledgement and the commit. */
  const connect = async (): Promise<Connection> => {
    const connection = await database.connect();
    return {
      query: (sql, params) => {
        if (ends && sql.startsWith("DELETE")) return Promise.reject(new Error("the process ends here"));
        return connection.query(sql, params);
      },
      end: () => connection.end(),
    };
  };
  const relay = new OutboxRelay(database.outbox, connect, publisher);
  await database.add([1, 2]);

  await assert.rejects(relay.publishBatch(), /ends here/);
  ends = false;
  await relay.publishBatch();
  await relay.close();

  assert.deepEqual([ids(publisher), await database.rows()], [[1, 2, 1, 2], []]);
});

/** Refuses the events with even ids, as an API that does not know their type. */
class Refusing extends RecordingPublisher {
  override async publish(...events: (Event | AnyCloudEvent)[]): Promise<void> {
    const index = events.findIndex((event) => Number(event.id) % 2 === 0);
    if (index >= 0) throw new InvalidEvent("unknown_type", "winner", index);
    await super.publish(...events);
  }
}

onBoth("a refused event does not stop the rest, and stays with its reason", async (database) => {
  const publisher = new Refusing();
  const reported: string[] = [];
  const onError = (event: string, error: Error) => reported.push(`${event} ${error.message}`);
  const relay = new OutboxRelay(database.outbox, database.connect, publisher, { onError });
  await database.add([1, 2, 3, 4]);

  const counts = [await relay.publishBatch(), await relay.publishBatch()];
  await relay.close();

  assert.deepEqual([counts, ids(publisher)], [[4, 0], [1, 3]]);
  assert.deepEqual(reported, Array(2).fill("outbox_event_refused unknown_type: winner"));
  assert.deepEqual(await database.rows(), [[2, "unknown_type"], [4, "unknown_type"]]);
});

onBoth("it waits until events can be published", async (database) => {
  const publisher = new RecordingPublisher();
  publisher.failWith(new Unavailable("not now"));
  const faults: string[] = [];
  let connections = 0;
  const connect = async (): Promise<Connection> => {
    if (connections++ === 0) throw new Error("the database is not there");
    return database.connect();
  };
  const stop = new AbortController();
  const relay = new OutboxRelay(database.outbox, connect, publisher, {
    pollMs: 1,
    onError: (_, error) => faults.push(error.message),
  });
  await database.add([1]);
  const running = relay.run(stop.signal);
  while ((await database.rows()).length > 0) await new Promise(setImmediate);
  stop.abort();
  await running;

  assert.deepEqual([ids(publisher), faults], [[1], ["the database is not there", "not now"]]);
});

/** Acknowledges nothing until `acknowledge` is called. */
class Slow extends RecordingPublisher {
  acknowledge = () => {};
  readonly acknowledged = new Promise<void>((resolve) => (this.acknowledge = resolve));
  started = () => {};
  readonly publishing = new Promise<void>((resolve) => (this.started = resolve));

  override async publish(...events: (Event | AnyCloudEvent)[]): Promise<void> {
    this.started();
    await this.acknowledged;
    await super.publish(...events);
  }
}

onBoth("two relays lose nothing; on PostgreSQL each publishes what the other does not", async (database) => {
  const [slow, fast] = [new Slow(), new RecordingPublisher()];
  const first = new OutboxRelay(database.outbox, database.connect, slow, { batch: 2 });
  const second = new OutboxRelay(database.outbox, database.connect, fast, { batch: 2 });
  await database.add([1, 2, 3]);

  const publishing = first.publishBatch();
  await slow.publishing;
  while ((await second.publishBatch()) > 0);
  slow.acknowledge();
  await publishing;
  await Promise.all([first.close(), second.close()]);

  assert.deepEqual(ids(slow), [1, 2]);
  assert.deepEqual(ids(fast), database.outbox.locks ? [3] : [1, 2, 3]);
  assert.deepEqual(await database.rows(), []);
});

test("a table has a name", () => {
  for (const table of ["", "a b", "a;DROP TABLE x", "a.b.c", "1a"]) {
    assert.throws(() => new Outbox("sqlite", { table }), /table/);
  }
});
