/** The publisher over Kafka without a broker; tests/interop publishes to one. */
import assert from "node:assert/strict";
import { createServer, type AddressInfo } from "node:net";
import { test } from "node:test";

import { InvalidEvent } from "@tocsin/client";
import { KafkaPublisher } from "@tocsin/client/kafka";
import { Winner } from "@tocsin/client/types";

const won = new Winner({ source: "/s", recipients: ["bob"], data: { lot_id: "7" } });

/** Return an address at which nothing answers; with `silent`, a server that accepts connections. */
async function deaf(silent: boolean): Promise<{ address: string; close: () => void }> {
  const server = createServer((socket) => socket.resume()).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  if (silent) return { address, close: () => server.close() };
  await new Promise((resolve) => server.close(resolve));
  return { address, close: () => undefined };
}

for (const silent of [false, true]) {
  test(`a broker that ${silent ? "does not answer" : "is not there"} is unavailable`, async () => {
    const { address, close } = await deaf(silent);
    const publisher = new KafkaPublisher(address, { timeoutMs: 50 });
    const both = [publisher.publish(won), publisher.publish(won)];
    for (const published of both) await assert.rejects(published, { name: "Unavailable" });
    await publisher.close();
    close();
  });
}

test("an invalid event is refused without a connection", async () => {
  const publisher = new KafkaPublisher("127.0.0.1:1");
  await assert.rejects(publisher.publish(won, new Winner({ ...won, source: "" })), (error) => {
    return error instanceof InvalidEvent && error.index === 1;
  });
  await publisher.publish();
  await publisher.close();
});

test("an option that is wrong is an error of its own", async () => {
  const publisher = new KafkaPublisher("127.0.0.1:1", { producer: { sasl: { mechanism: "NONE" as "PLAIN" } } });
  await assert.rejects(publisher.publish(won), { name: "Error", code: "PLT_KFK_USER" });
});
