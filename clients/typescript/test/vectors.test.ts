/** The client refuses what the service refuses, with the same reason: clients/vectors.json. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { eventId, InvalidEvent, type EventType } from "@tocsin/client";

import { supersedeKey } from "../src/event-type.js";
import { validateFields } from "../src/validation.js";
import { timeMs } from "../src/values.js";

interface Change {
  at: string[];
  number?: string;
  repeat?: unknown;
  times?: number;
  nest?: number;
  count?: number;
}

interface Vector {
  name: string;
  event: Record<string, unknown>;
  set?: Change;
  reason: string | null;
}

interface Vectors {
  types: (Omit<EventType, "recipientFields"> & { recipient_fields: string[] })[];
  now: string;
  events: Vector[];
  ids: { source: string; parts: (string | number)[]; id: string }[];
  supersede_keys: { type: string; data: object; key: string | null }[];
}

const PATH = new URL("../../../vectors.json", import.meta.url);
const VECTORS = JSON.parse(readFileSync(PATH, "utf8")) as Vectors;
const TYPES = new Map<string, EventType>(
  VECTORS.types.map(({ recipient_fields, ...type }) => [type.name, { ...type, recipientFields: recipient_fields }]),
);

/** Return the value of a vector's `set`. */
function valueOf({ number, nest, count, repeat, times = 0 }: Change): unknown {
  if (number !== undefined) return Number(number);
  if (nest !== undefined) return JSON.parse("[".repeat(nest) + "]".repeat(nest));
  if (count !== undefined) return Array.from({ length: count }, (_, index) => String(index + 1));
  return typeof repeat === "string" ? repeat.repeat(times) : Array<unknown>(times).fill(repeat);
}

function filled({ event, set }: Vector): Record<string, unknown> {
  if (set === undefined) return event;
  const copy = structuredClone(event);
  const last = set.at.at(-1)!;
  const place = set.at.slice(0, -1).reduce((node, name) => node[name] as Record<string, unknown>, copy);
  place[last] = valueOf(set);
  return copy;
}

function reasonOf(event: object): string | null {
  try {
    validateFields(event, TYPES, timeMs(VECTORS.now));
    return null;
  } catch (error) {
    if (error instanceof InvalidEvent) return error.reason;
    throw error;
  }
}

test("every vector has the reason of the service", () => {
  assert.ok(VECTORS.events.length > 100);
  const wrong = VECTORS.events
    .map((vector) => ({ name: vector.name, reason: vector.reason, ours: reasonOf(filled(vector)) }))
    .filter(({ reason, ours }) => reason !== ours);
  assert.deepEqual(wrong, []);
});

test("ids are those of every language", () => {
  for (const { source, parts, id } of VECTORS.ids) assert.equal(eventId(source, ...parts), id);
  assert.throws(() => eventId("/auctions"), /parts/);
});

test("supersede keys are those of the service", () => {
  for (const { type, data, key } of VECTORS.supersede_keys) assert.equal(supersedeKey(TYPES.get(type)!, data), key);
});
