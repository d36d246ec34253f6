/**
 * A transactional outbox: events are written with what they are about, and published once that is committed.
 *
 * A publish beside the commit loses the event if the process ends in between, or notifies of what was rolled back.
 */
import { structuredText, toCloudEvent } from "./cloud-event.js";
import type { Reason } from "./errors.js";
import type { Event } from "./event.js";

export type Dialect = "postgresql" | "sqlite";

/** A database connection or transaction: a client of `pg`, or what `sqlite` returns. */
export interface Queryable {
  /** Run a statement whose parameters are `$1`, `$2`, in their order. */
  query(sql: string, params?: unknown[]): Promise<{ readonly rows: readonly unknown[] }>;
}

/** A database of `node:sqlite` or `better-sqlite3`. */
export interface SqliteDatabase {
  prepare(sql: string): { all(...params: never[]): unknown[]; run(...params: never[]): unknown };
  close(): unknown;
}

/** An event that waits. `position` is what the driver makes of a bigint. */
export interface OutboxRow {
  readonly position: unknown;
  readonly event: string;
}

const DDL: Record<Dialect, string> = {
  postgresql: "position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event text NOT NULL, reason text",
  sqlite: "position integer PRIMARY KEY AUTOINCREMENT, event text NOT NULL, reason text",
};
const TABLE = /^[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?$/;

/** A table of events that are not published yet. `table` may have a schema before it. */
export class Outbox {
  /** The statement that makes the table. */
  readonly ddl: string;
  /** Whether relays lock the rows that they publish. */
  readonly locks: boolean;
  readonly #table: string;

  constructor(dialect: Dialect, { table = "tocsin_outbox" }: { readonly table?: string } = {}) {
    if (!TABLE.test(table)) throw new RangeError(`table: ${JSON.stringify(table)} is no name`);
    this.#table = table;
    this.locks = dialect === "postgresql";
    this.ddl = `CREATE TABLE IF NOT EXISTS ${table} (${DDL[dialect]})`;
  }

  /** Write events in the connection's transaction. Reject with InvalidEvent before anything is written. */
  async add(connection: Queryable, ...events: Event[]): Promise<void> {
    const texts = events.map((event, index) => structuredText(toCloudEvent(event, index)));
    for (const text of texts) await connection.query(`INSERT INTO ${this.#table} (event) VALUES ($1)`, [text]);
  }

  /** Return the next events, locked for this transaction if the database can. */
  async waiting(connection: Queryable, limit: number): Promise<OutboxRow[]> {
    const lock = this.locks ? " FOR UPDATE SKIP LOCKED" : "";
    const { rows } = await connection.query(
      `SELECT position, event FROM ${this.#table} WHERE reason IS NULL ORDER BY position LIMIT $1${lock}`,
      [limit],
    );
    return rows as OutboxRow[];
  }

  /** Delete these events, but keep those that were refused, with the reason. */
  async finish(
    connection: Queryable,
    rows: readonly OutboxRow[],
    refused: ReadonlyMap<OutboxRow, Reason>,
  ): Promise<void> {
    for (const row of rows) {
      const reason = refused.get(row);
      if (reason === undefined) {
        await connection.query(`DELETE FROM ${this.#table} WHERE position = $1`, [row.position]);
      } else {
        await connection.query(`UPDATE ${this.#table} SET reason = $1 WHERE position = $2`, [reason, row.position]);
      }
    }
  }
}

/** Return an SQLite database as a connection of outbox and relay. */
export function sqlite(database: SqliteDatabase): Queryable & { end(): Promise<void> } {
  return {
    async query(sql: string, params: unknown[] = []) {
      const statement = database.prepare(sql.replace(/\$[0-9]+/g, "?"));
      if (/^select\b/i.test(sql)) return { rows: statement.all(...(params as never[])) };
      statement.run(...(params as never[]));
      return { rows: [] };
    },
    async end() {
      database.close();
    },
  };
}
