import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "../src/client/backoff.js";
import { parseRetryAfter } from "../src/client/errors.js";

test("the time doubles up to a minute, and half of it is random", () => {
  const [least, most] = [new Backoff(() => 0), new Backoff(() => 1)];
  assert.deepEqual(Array.from({ length: 7 }, () => least.next()), [1000, 2000, 4000, 8000, 16000, 30000, 30000]);
  assert.deepEqual(Array.from({ length: 7 }, () => most.next()), [2000, 4000, 8000, 16000, 32000, 60000, 60000]);
  most.reset();
  most.baseMs = 500;
  assert.equal(most.next(), 500);
});

test("Retry-After is seconds or a date", () => {
  const nowMs = Date.UTC(2026, 0, 1);
  assert.equal(parseRetryAfter("10", nowMs), 10_000);
  assert.equal(parseRetryAfter("Thu, 01 Jan 2026 00:00:30 GMT", nowMs), 30_000);
  assert.equal(parseRetryAfter("Thu, 01 Jan 2025 00:00:30 GMT", nowMs), 0);
  assert.equal(parseRetryAfter("99999999", nowMs), 300_000);
  for (const value of [null, "", "soon", "-1"]) assert.equal(parseRetryAfter(value, nowMs), 0, `${value}`);
});
