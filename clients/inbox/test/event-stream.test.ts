import assert from "node:assert/strict";
import { test } from "node:test";
import { EventStreamParser, type StreamEvent } from "../src/client/event-stream.js";

const encoder = new TextEncoder();

function parse(text: string | Uint8Array): StreamEvent[] {
  return new EventStreamParser().push(typeof text === "string" ? encoder.encode(text) : text);
}

function message(data: string, id = "", name = "message"): StreamEvent {
  return { name, id, data };
}

const CASES: [string, string, StreamEvent[]][] = [
  ["data lines are joined", "data: a\ndata: b\n\n", [message("a\nb")]],
  ["one space after the colon is removed", "data:a\n\ndata:  b\n\n", [message("a"), message(" b")]],
  ["comments are ignored", ": hello\n\n:\ndata: a\n: more\n\n", [message("a")]],
  ["a field may have no value", "data\n\ndata\ndata\n\n", [message(""), message("\n")]],
  ["an event without data is none", "event: x\nid: 1\n\ndata: a\n\n", [message("a", "1")]],
  ["an unfinished event is none", "data: a\n", []],
  ["an id stays until the next", "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", [message("a", "1"), message("b", "1"), message("c")]],
  ["an id with NUL is ignored", "id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n", [message("a", "1"), message("b", "1")]],
  ["the name is of one event", "event: x\ndata: a\n\ndata: b\n\n", [message("a", "", "x"), message("b")]],
  ["unknown fields are ignored", "foo: 1\nDATA: 2\n data: 3\ndata: a\n\n", [message("a")]],
  ["lines end with CR or CRLF too", "data: a\r\rdata: b\r\n\r\ndata: c\n\r\n", [message("a"), message("b"), message("c")]],
  ["only the first byte order mark is removed", "\uFEFFdata: a\n\n\uFEFFdata: b\n\n", [message("a")]],
  ["other line separators are text", "data: a\u2028b\u0085c\vd\n\n", [message("a\u2028b\u0085c\vd")]],
];

for (const [name, text, events] of CASES) test(name, () => assert.deepEqual(parse(text), events));

test("a retry time has digits only", () => {
  const parser = new EventStreamParser();
  parser.push(encoder.encode("retry: 2000\nretry: -1\nretry: 1e3\nretry:\n"));
  assert.equal(parser.retryMs, 2000);
});

test("bytes that are not UTF-8 are replaced", () => {
  const bytes = Uint8Array.from([...encoder.encode("data: a"), 0xff, ...encoder.encode("b\n\n")]);
  assert.deepEqual(parse(bytes), [message("a\uFFFDb")]);
});

test("chunks may end at any byte", () => {
  const texts = [...CASES.map(([, text]) => text), "event: nü\r\nid: 日本\r\ndata: 👩‍🚀é\r\n\r\n: x\r\n\r\ndata: ß\r\r"];
  for (const text of texts) {
    const bytes = encoder.encode(text);
    const whole = parse(bytes);
    for (let first = 0; first <= bytes.length; first++) {
      for (let second = first; second <= bytes.length; second++) {
        const parser = new EventStreamParser();
        const parts = [bytes.slice(0, first), bytes.slice(first, second), bytes.slice(second)];
        assert.deepEqual(parts.flatMap((part) => parser.push(part)), whole, `${JSON.stringify(text)} at ${first}, ${second}`);
      }
    }
    const parser = new EventStreamParser();
    assert.deepEqual([...bytes].flatMap((byte) => parser.push(Uint8Array.of(byte))), whole);
  }
});

test("generated streams give what they were made of, however they are cut", () => {
  let seed = 42;
  const next = (below: number): number => (seed = (seed * 48271) % 2147483647) % below;
  const ends = ["\n", "\r", "\r\n"];
  const words = ["", "a", " b", "c:d", "é👍", "{\"x\":1}"];
  for (let round = 0; round < 300; round++) {
    const expected: StreamEvent[] = [];
    let text = "";
    let id = "";
    const end = (): string => ends[next(3)] ?? "\n";
    for (let count = next(5); count >= 0; count--) {
      const lines = Array.from({ length: 1 + next(3) }, () => words[next(words.length)] ?? "");
      const name = next(2) ? `n${next(9)}` : "message";
      if (next(2)) text += `id: ${(id = `${next(99)}`)}${end()}`;
      if (next(2)) text += `: comment${end()}`;
      if (name !== "message") text += `event: ${name}${end()}`;
      for (const line of lines) text += `data: ${line}${end()}`;
      // A lone CR before a lone LF would be one line end.
      text += text.endsWith("\r") ? "\r\n" : end();
      expected.push({ name, id, data: lines.join("\n") });
    }
    const bytes = encoder.encode(text);
    const parser = new EventStreamParser();
    const events: StreamEvent[] = [];
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + next(7);
      events.push(...parser.push(bytes.slice(at, at + size)));
      at += size;
    }
    assert.deepEqual(events, expected, JSON.stringify(text));
  }
});

test("a snapshot of megabytes is parsed in time that grows with its size", () => {
  const parser = new EventStreamParser();
  const data = "x".repeat(8_000_000);
  const bytes = encoder.encode(`data: ${data}\n\n`);
  const events: StreamEvent[] = [];
  for (let at = 0; at < bytes.length; at += 1_000) events.push(...parser.push(bytes.subarray(at, at + 1_000)));
  assert.equal(events[0]?.data.length, data.length);
});
