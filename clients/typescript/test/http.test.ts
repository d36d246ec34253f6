/** The publisher over HTTP: requests, batches, attempts, and the error of each answer. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";

import {
  AccessDenied,
  HttpPublisher,
  InvalidEvent,
  RequestRefused,
  Unavailable,
  type Event,
  type HttpOptions,
} from "@tocsin/client";
import { Winner } from "@tocsin/client/types";

type Answered = number | Error | { status: number; retryAfter?: string; [member: string]: unknown };

interface Sent {
  url: string;
  headers: Headers;
  body: string;
}

const AT_ONCE = { attempts: 3, pauseMs: 1 };

function winner(number = 1, data: object = {}): Winner {
  return new Winner({ id: String(number), source: "/s", recipients: ["alice"], data: { lot_id: "7", ...data } });
}

/** Publish to an API that answers in turn, the last answer from then on; return its requests. */
async function publish(answers: Answered[], events: Event[], options: HttpOptions = {}): Promise<Sent[]> {
  const requests: Sent[] = [];
  const answering = async (url: Parameters<typeof fetch>[0], init?: RequestInit): Promise<Response> => {
    requests.push({ url: String(url), headers: new Headers(init?.headers), body: String(init?.body) });
    const answer = answers[Math.min(requests.length, answers.length) - 1]!;
    if (answer instanceof Error) throw answer;
    if (typeof answer === "number") return new Response(null, { status: answer });
    const { status, retryAfter, ...problem } = answer;
    return Response.json(problem, { status, headers: retryAfter === undefined ? {} : { "retry-after": retryAfter } });
  };
  const publisher = new HttpPublisher("https://t.test/", "key", { ...options, fetch: answering });
  await publisher.publish(...events).catch((error: Error) => {
    throw Object.assign(error, { requests: requests.length });
  });
  return requests;
}

test("one event is a structured or a binary request", async () => {
  const [structured] = await publish([202], [winner()]);
  assert.equal(structured!.url, "https://t.test/v1/events");
  assert.equal(structured!.headers.get("authorization"), "Bearer key");
  assert.match(structured!.headers.get("content-type")!, /^application\/cloudevents\+json/);
  assert.equal(JSON.parse(structured!.body).id, "1");
  const [binary] = await publish([202], [winner()], { mode: "binary" });
  assert.deepEqual([binary!.headers.get("ce-type"), binary!.body], ["winner", '{"lot_id":"7"}']);
});

test("several events are batches of at most 500 events and 900 KiB", async () => {
  assert.deepEqual(await publish([202], []), []);
  const count = (request: Sent) => JSON.parse(request.body).length;
  const many = await publish([202], Array.from({ length: 501 }, (_, index) => winner(index)));
  assert.deepEqual(many.map(count), [500, 1]);
  assert.equal(many[0]!.headers.get("content-type"), "application/cloudevents-batch+json");
  const large = Array.from({ length: 6 }, (_, index) => winner(index, { text: "x".repeat(200_000) }));
  assert.deepEqual((await publish([202], large)).map(count), [4, 2]);
});

test("what is temporary is repeated with the same id", async () => {
  for (const temporary of [503, 500, 429, 408, new TypeError("fetch failed")]) {
    const requests = await publish([temporary, temporary, 202], [winner()], { retries: AT_ONCE });
    assert.deepEqual(requests.map(({ body }) => JSON.parse(body).id), ["1", "1", "1"]);
    await assert.rejects(publish([temporary], [winner()], { retries: AT_ONCE }), (error) => {
      return error instanceof Unavailable && /attempts: 3/.test(error.message);
    });
  }
});

test("Retry-After is kept to, and one that is too long ends the attempts", async () => {
  const slow = { attempts: 2, pauseMs: 60_000, longestPauseMs: 60_000 };
  for (const retryAfter of ["0", new Date(Date.now() - 5000).toUTCString()]) {
    const requests = await publish([{ status: 429, retryAfter }, 202], [winner()], { retries: slow });
    assert.equal(requests.length, 2);
  }
  const late = publish([{ status: 429, retryAfter: "3600" }], [winner()]);
  await assert.rejects(late, { name: "Unavailable", message: /attempts: 1; the last: HTTP 429/, requests: 1 });
});

test("what no repeat can help is not repeated", async () => {
  const faults: [Answered, abstract new (...parts: never) => Error][] = [
    [{ status: 401, detail: "A bearer token is required." }, AccessDenied],
    [{ status: 403, detail: "The scope events is required." }, AccessDenied],
    [{ status: 400, detail: "A batch must be a JSON array." }, RequestRefused],
    [404, RequestRefused],
    [302, RequestRefused],
  ];
  for (const [answer, kind] of faults) {
    await assert.rejects(publish([answer, 202], [winner()]), (error: Error & { requests: number }) => {
      assert.ok(error instanceof kind);
      if (typeof answer === "object" && "detail" in answer) assert.ok(error.message.includes(String(answer["detail"])));
      return error.requests === 1;
    });
  }
});

test("a refused event has its reason, and its place in the call", async () => {
  const events = Array.from({ length: 502 }, (_, index) => winner(index));
  const second = publish([202, { status: 422, reason: "unknown_type", index: 1 }], events);
  await assert.rejects(second, { name: "InvalidEvent", reason: "unknown_type", index: 501 });
  const later = publish([{ status: 422, reason: "of a later version", detail: "new" }], [winner()]);
  await assert.rejects(later, { reason: "unprocessable", detail: "new", index: 0 });
});

test("nothing is sent if one event is invalid", async () => {
  await assert.rejects(publish([202], [winner(), winner(2, { bad: Number.NaN })]), (error) => {
    assert.ok(error instanceof InvalidEvent && "requests" in error);
    return error.reason === "not_a_number" && error.index === 1 && error.requests === 0;
  });
});

test("a credential may be a function, which is called for each request", async () => {
  const tokens = ["first", "second"];
  const sent: (string | null)[] = [];
  const answering = async (_: Parameters<typeof fetch>[0], init?: RequestInit) => {
    sent.push(new Headers(init?.headers).get("authorization"));
    return new Response(null, { status: sent.length === 1 ? 503 : 202 });
  };
  const options = { fetch: answering, retries: AT_ONCE };
  await new HttpPublisher("https://t.test", async () => tokens.shift()!, options).publish(winner());
  assert.deepEqual(sent, ["Bearer first", "Bearer second"]);
});

test("an API that is late or not there is unavailable", async () => {
  const server = createServer(() => undefined).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const options = { timeoutMs: 20, retries: { attempts: 2, pauseMs: 1 } };
  const publisher = new HttpPublisher(url, "key", options);
  await assert.rejects(publisher.publish(winner()), { name: "Unavailable", message: /timeout/ });
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await assert.rejects(publisher.publish(winner()), { name: "Unavailable", message: /ECONNREFUSED/ });
});
