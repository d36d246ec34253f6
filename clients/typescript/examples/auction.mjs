// An auction that notifies bidders who are overbid, with a transactional outbox in PostgreSQL.
//
//     node examples/auction.mjs bid 7 bob 120      # a bid, and its event, in one transaction
//     node examples/auction.mjs relay              # publishes what is committed, until it is stopped
//
// PGHOST, PGUSER and PGDATABASE name the database; TOCSIN_URL and TOCSIN_KEY say where events go.
import { eventId, HttpPublisher, Outbox, OutboxRelay } from "@tocsin/client";
import { Overbid } from "@tocsin/client/types";
import pg from "pg";

const SOURCE = "/auctions";
const OUTBOX = new Outbox("postgresql");
const TABLE = "CREATE TABLE IF NOT EXISTS bids (lot integer, bidder text, amount integer)";

/** Return a connection to the database, whose tables exist. */
async function connect() {
  const client = new pg.Client();
  await client.connect();
  for (const statement of [TABLE, OUTBOX.ddl]) await client.query(statement);
  return client;
}

/** Record a bid; the bidder with the highest one before is notified. Both are committed, or neither. */
async function bid(client, lot, bidder, amount) {
  await client.query("BEGIN");
  try {
    const highest = "SELECT bidder, amount FROM bids WHERE lot = $1 ORDER BY amount DESC LIMIT 1";
    const [before] = (await client.query(highest, [lot])).rows;
    if (before && amount <= before.amount) throw new RangeError(`the highest bid is ${before.amount}`);
    await client.query("INSERT INTO bids VALUES ($1, $2, $3)", [lot, bidder, amount]);
    if (before && before.bidder !== bidder) {
      const overbid = new Overbid({
        id: eventId(SOURCE, "lot", lot, "bid", amount),
        source: SOURCE,
        recipients: [before.bidder],
        actor: bidder,
        data: { lot_id: String(lot) },
      });
      await OUTBOX.add(client, overbid);
    }
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  }
}

/** Publish what is committed, until the process is interrupted. */
async function relay() {
  const publisher = new HttpPublisher(process.env.TOCSIN_URL ?? "http://127.0.0.1:8000", process.env.TOCSIN_KEY);
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  process.once("SIGTERM", () => stop.abort());
  await new OutboxRelay(OUTBOX, connect, publisher, { pollMs: 200 }).run(stop.signal);
}

const [command, ...parameters] = process.argv.slice(2);
if (command === "relay") {
  await relay();
} else if (command === "bid" && parameters.length % 3 === 0) {
  const client = await connect();
  for (let at = 0; at < parameters.length; at += 3) {
    const [lot, bidder, amount] = parameters.slice(at, at + 3);
    await bid(client, Number(lot), bidder, Number(amount));
  }
  await client.end();
} else {
  console.error("usage: auction.mjs bid LOT BIDDER AMOUNT … | relay");
  process.exitCode = 2;
}
