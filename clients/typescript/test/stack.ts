/**
 * Publish to a real stack, for tests/interop: every way, twice, at the same time; withdrawals; what is refused.
 *
 * BOOTSTRAP, TOPIC, URL and TOKEN say where; REFUSED has events in structured form. It writes the reasons of these:
 * the client's own, and the API's.
 */
import { HttpPublisher, InvalidEvent, Unavailable, withdraw, type Publisher } from "@tocsin/client";
import { KafkaPublisher } from "@tocsin/client/kafka";
import { Winner } from "@tocsin/client/types";

import { readCloudEvent } from "../src/cloud-event.js";
import { validateFields } from "../src/validation.js";

const { BOOTSTRAP = "", TOPIC = "", URL: url = "", TOKEN = "", REFUSED = "[]" } = process.env;
const TYPES = new Map([["winner", Winner.declared]]);

function winner(id: string): Winner {
  return new Winner({ id, source: "/typescript-client", recipients: ["alice"], data: { lot_id: "7" } });
}

async function reasonOf(refusing: () => void | Promise<void>): Promise<string | null> {
  try {
    await refusing();
    return null;
  } catch (error) {
    if (error instanceof InvalidEvent) return error.reason;
    throw error;
  }
}

const modes = ["structured", "binary"] as const;
const kafka = modes.map((mode) => new KafkaPublisher(BOOTSTRAP, { topic: TOPIC, mode }));
const http = modes.map((mode) => new HttpPublisher(url, TOKEN, { mode }));
const ways: [string, Publisher][] = [
  ["kafka-structured", kafka[0]!],
  ["kafka-binary", kafka[1]!],
  ["http-structured", http[0]!],
  ["http-binary", http[1]!],
];

for (const [way, publisher] of ways) {
  const events = [0, 1, 2].map((number) => winner(`${way}-${number}`));
  await publisher.publish(events[0]!);
  await publisher.publish(...events);
}
await Promise.all(Array.from({ length: 20 }, (_, number) => kafka[0]!.publish(winner(`at-once-${number}`))));

// Without an acknowledgement in time the events are published again, until there is one of each.
for (let timeoutMs = 1, acknowledged = false; !acknowledged; timeoutMs *= 2) {
  const impatient = new KafkaPublisher(BOOTSTRAP, { topic: TOPIC, timeoutMs });
  acknowledged = true;
  for (const id of ["late-0", "late-1"]) {
    await impatient.publish(winner(id)).catch((error) => {
      if (!(error instanceof Unavailable)) throw error;
      acknowledged = false;
    });
  }
  await impatient.close();
}
const withdrawn = winner("withdrawn");
await kafka[0]!.publish(withdrawn, withdraw(withdrawn));

const reasons = [];
for (const fields of JSON.parse(REFUSED) as Record<string, unknown>[]) {
  const local = await reasonOf(() => validateFields(fields, TYPES, Date.now()));
  const of = (way: string) => readCloudEvent(JSON.stringify({ ...fields, id: `${String(fields["id"])}-${way}` }));
  await kafka[0]!.publish(of("kafka-structured"));
  await kafka[1]!.publish(of("kafka-binary"));
  const remote = [];
  for (const [index, publisher] of http.entries()) {
    remote.push(await reasonOf(() => publisher.publish(of(`http-${index}`))));
  }
  reasons.push({ local, remote });
}
await Promise.all(kafka.map((publisher) => publisher.close()));
console.log(JSON.stringify(reasons));
