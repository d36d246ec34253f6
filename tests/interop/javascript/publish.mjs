// Publishes events to Tocsin with the CloudEvents SDK for JavaScript: structured and binary, over Kafka and HTTP.
//
// BOOTSTRAP, TOPIC, URL and TOKEN say where; the id of each event is "javascript-" and its form.
import { CloudEvent, HTTP, Kafka as KafkaBinding } from "cloudevents";
import { Kafka, logLevel } from "kafkajs";

const { BOOTSTRAP, TOPIC, URL: target, TOKEN } = process.env;

const event = (form) =>
  new CloudEvent({
    id: `javascript-${form}`,
    source: "/interop",
    type: "com.example.winner",
    time: new Date().toISOString(),
    subject: 'Lot 7, "größte" 100 %',
    datacontenttype: "application/json",
    recipients: "alice,bob",
    data: { lot_id: "7" },
  });

const producer = new Kafka({ brokers: [BOOTSTRAP], logLevel: logLevel.ERROR }).producer();
await producer.connect();
for (const [form, encode] of [["kafka-structured", KafkaBinding.structured], ["kafka-binary", KafkaBinding.binary]]) {
  const { key, value, headers: all } = encode(event(form));
  const headers = Object.fromEntries(Object.entries(all).filter(([, text]) => text !== undefined));
  const bytes = typeof value === "string" || Buffer.isBuffer(value) ? value : JSON.stringify(value);
  await producer.send({ topic: TOPIC, messages: [{ key, value: bytes, headers }] });
}
await producer.disconnect();

for (const [form, encode] of [["http-structured", HTTP.structured], ["http-binary", HTTP.binary]]) {
  const { headers, body } = encode(event(form));
  const response = await fetch(target, {
    method: "POST",
    headers: { ...headers, authorization: `Bearer ${TOKEN}` },
    body,
  });
  if (response.status !== 202) {
    throw new Error(`${form}: ${response.status} ${await response.text()}`);
  }
}
