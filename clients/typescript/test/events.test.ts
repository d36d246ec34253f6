/** Events: their structured form, keys, withdrawing, superseding, and the CloudEvents that carry them. */
import assert from "node:assert/strict";
import { test } from "node:test";

import {
  Event,
  eventId,
  InvalidEvent,
  supersede,
  toCloudEvent,
  withdraw,
  withdrawId,
  withdrawKey,
  type EventType,
  type Reason,
} from "@tocsin/client";
import { InvoiceAvailable, MessageFromSeller, Overbid, PaymentFailed, Winner } from "@tocsin/client/types";

import { httpMessage, kafkaRecord, readCloudEvent, structuredText } from "../src/cloud-event.js";

const AT = new Date("2026-10-01T08:00:00Z");
const LATER = new Date(AT.getTime() + 1000);

function overbid(fields: Partial<ConstructorParameters<typeof Overbid>[0]> = {}): Overbid {
  return new Overbid({ source: "/auctions", recipients: ["alice", "bob"], data: { lot_id: "7" }, ...fields });
}

function refuses(make: () => unknown, reason: Reason): void {
  assert.throws(make, (error) => error instanceof InvalidEvent && error.reason === reason);
}

test("the structured form has the names of the wire, and only what is set", () => {
  const event = overbid({
    id: "1", time: AT, actor: "carol", expires: AT, deliverAt: AT, supersedeKey: "k", subject: "s", traceparent: "t",
    extensions: { tenant: "acme" },
  });
  const iso = "2026-10-01T08:00:00.000Z";
  assert.deepEqual(event.fields(), {
    specversion: "1.0", id: "1", source: "/auctions", type: "overbid", time: iso, datacontenttype: "application/json",
    recipients: '["alice","bob"]', actor: "carol", subject: "s", expires: iso, deliverat: iso, supersedekey: "k",
    partitionkey: "alice", traceparent: "t", tenant: "acme", data: { lot_id: "7" },
  });
});

test("the key is that of the audience", () => {
  assert.equal(overbid().key(), "alice");
  assert.equal(overbid({ partitionKey: "lot-7" }).key(), "lot-7");
  assert.equal(overbid({ recipients: [], id: "1" }).key(), "1");
  assert.equal(new PaymentFailed({ source: "/s", account: "acme" }).key(), "acme");
  assert.equal(new InvoiceAvailable({ source: "/s", externalId: "12345" }).key(), "12345");
  const data = { sender_id: "bob", receiver_id: "alice", lot_id: "7" };
  assert.equal(new MessageFromSeller({ source: "/s", data }).key(), "alice");
});

test("the official SDK reads what it has written", () => {
  const cloudEvent = toCloudEvent(overbid({ id: "1", time: AT }));
  for (const text of [structuredText(cloudEvent), kafkaRecord(cloudEvent, "structured").value.toString()]) {
    assert.deepEqual(readCloudEvent(text), cloudEvent);
  }
});

test("binary mode has attributes as headers", () => {
  const cloudEvent = toCloudEvent(overbid({ id: "1", time: AT, subject: 'größte "€" %' }));
  const record = kafkaRecord(cloudEvent, "binary");
  const request = httpMessage(cloudEvent, "binary");

  assert.deepEqual([record.key, record.value], ["alice", '{"lot_id":"7"}']);
  assert.equal(record.headers["ce_subject"], 'größte "€" %');
  assert.ok(!Object.values(record.headers).includes("undefined"));
  assert.deepEqual([request.body, request.headers["content-type"]], ['{"lot_id":"7"}', "application/json"]);
  assert.equal(request.headers["ce-subject"], "gr%C3%B6%C3%9Fte%20%22%E2%82%AC%22%20%25");
  new Headers(request.headers);
});

test("an invalid event has its reason, before anything is sent", () => {
  const faults: [Partial<ConstructorParameters<typeof Overbid>[0]>, Reason][] = [
    [{ data: {} as { lot_id: string } }, "invalid_data"],
    [{ source: "" }, "missing_attribute"],
    [{ time: new Date(Number.NaN) }, "invalid_attribute"],
    [{ extensions: { a_b: "c" } }, "invalid_attribute"],
    [{ extensions: { schemaurl: "c" } }, "invalid_attribute"],
    [{ data: { lot_id: "7", when: { AT } } as { lot_id: string } }, "invalid_json"],
    [{ data: { lot_id: "7", names: new Map() } as { lot_id: string } }, "invalid_json"],
    [{ data: { lot_id: "7", amount: 7n } as { lot_id: string } }, "invalid_json"],
    [{ data: { lot_id: "7", list: [undefined] } as { lot_id: string } }, "invalid_json"],
    [{ deliverAt: new Date(Date.now() + 400 * 86_400_000) }, "invalid_attribute"],
  ];
  for (const [fields, reason] of faults) refuses(() => toCloudEvent(overbid(fields)), reason);
  const [fields] = faults[0]!;
  assert.throws(() => toCloudEvent(overbid(fields), 3), { index: 3 });
});

test("what JavaScript inherits is no data", () => {
  class Inheriting extends Event<object> {
    static override readonly declared: EventType = {
      name: "inheriting",
      fields: [{ name: "constructor", type: "object", required: true }],
    };
  }
  refuses(() => toCloudEvent(new Inheriting({ source: "/s", data: {} })), "invalid_data");
});

test("what is undefined is absent, and dates of the data are text", () => {
  const data = { lot_id: "7", at: AT, note: undefined };
  assert.deepEqual(overbid({ data }).fields()["data"], { lot_id: "7", at: "2026-10-01T08:00:00.000Z" });
  toCloudEvent(overbid({ data: { lot_id: "7", more: { note: undefined } } as { lot_id: string } }));
});

test("integers have the range that they are written with", () => {
  const amount = (value: number) => () => toCloudEvent(overbid({ data: { lot_id: "7", value } as { lot_id: string } }));
  for (const value of [2 ** 63, -(2 ** 62), 1e21, 1e300, 0.1]) amount(value)();
  for (const value of [2 ** 64, -(2 ** 63), 1e20]) refuses(amount(value), "number_out_of_range");
});

test("withdrawals of one event have the same id each time", () => {
  const event = overbid({ id: "1" });

  assert.deepEqual(withdraw(event).data, { id: "1" });
  assert.equal(withdraw(event).id, withdrawId("/auctions", "1").id);
  assert.equal(withdraw(event).id, eventId("/auctions", "withdraw", "1"));
  const byData = withdrawKey(Overbid, "/auctions", { data: { lot_id: "7" } });
  const byKey = withdrawKey(Overbid, "/auctions", { key: "7" });
  assert.deepEqual(byData.data, { type: "overbid", data: { lot_id: "7" } });
  assert.deepEqual(byKey.data, { type: "overbid", key: "7" });
  for (const withdrawal of [withdraw(event), byData, byKey]) assert.equal(toCloudEvent(withdrawal).type, "withdraw");
  for (const wrong of [
    withdrawKey(Overbid, "/auctions", {}),
    withdrawKey(Overbid, "/auctions", { data: {} }),
    withdrawKey(Winner, "/auctions", { data: { lot_id: "7" } }),
    withdrawId("/auctions", ""),
  ]) {
    refuses(() => toCloudEvent(wrong), "invalid_withdrawal");
  }
});

test("an event that supersedes another has its key", () => {
  const old = overbid({ time: AT });
  const newer = overbid({ time: LATER, data: { lot_id: "8" } });

  const superseding: Overbid = supersede(old, newer);
  assert.ok(superseding instanceof Overbid);
  assert.deepEqual({ ...superseding }, { ...newer, supersedeKey: "7" });
  assert.equal(supersede(overbid({ time: AT, supersedeKey: "k" }), newer).supersedeKey, "k");
  assert.throws(() => supersede(old, overbid({ time: AT })), /later time/);
  const won = new Winner({ source: "/auctions", recipients: ["alice"], data: { lot_id: "7" }, time: AT });
  assert.throws(() => supersede(won, newer), /cannot supersede/);
  assert.throws(() => supersede(won, new Winner({ ...won, time: LATER })), /no supersede key/);
});

test("the compiler knows the audience and the data of a type", () => {
  const recipients = ["alice"];
  // @ts-expect-error: it needs recipients
  new Overbid({ source: "/s", data: { lot_id: "7" } });
  // @ts-expect-error: a required field of the data
  new Overbid({ source: "/s", recipients, data: {} });
  // @ts-expect-error: it needs data
  new Overbid({ source: "/s", recipients });
  // @ts-expect-error: it has no account
  new Overbid({ source: "/s", recipients, data: { lot_id: "7" }, account: "acme" });
  // @ts-expect-error: an event is not changed
  overbid().source = "/t";
  const named: readonly string[] = overbid().recipients;
  assert.equal(named.length, 2);
});
