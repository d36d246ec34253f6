/** What values may be, as the service has it: JSON, text of attributes, times. */
import { InvalidEvent } from "./errors.js";

const MIN_INTEGER = -(2n ** 63n);
const MAX_INTEGER = 2n ** 64n - 1n;
const MAX_DEPTH = 64;
const MAX_CONTAINERS = 65_536;
const MAX_TIME_MS = 9_214_646_399_999;
const LONE_SURROGATE = /[\ud800-\udfff]/u; // with the flag, pairs are one character
const NO_TEXT = /[\0-\x1f\x7f-\x9f\u2028\u2029]|\p{Cs}|\p{Noncharacter_Code_Point}/u;
const INTEGER = /^-?[0-9]+$/;
const TIME = new RegExp(
  "^(?!0000)([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)(\\.[0-9]{1,64})?" +
    "(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))$",
);

/** Throw InvalidEvent for what JSON cannot carry with one meaning (RFC 8259), and for too many or too deep parts. */
export function checkJson(document: object): void {
  let level = [document];
  for (let depth = 1, containers = 0; level.length > 0; depth++) {
    containers += level.length;
    if (depth > MAX_DEPTH) throw new InvalidEvent("too_deep");
    if (containers > MAX_CONTAINERS) {
      throw new InvalidEvent("too_large", `more than ${MAX_CONTAINERS} objects and arrays`);
    }
    const below: object[] = [];
    for (const node of level) {
      if (!Array.isArray(node)) Object.keys(node).forEach(checkScalar);
      for (const value of Array.isArray(node) ? node : Object.values(node)) {
        if (value === undefined && !Array.isArray(node)) continue; // is not written
        if (isObject(value) || Array.isArray(value)) below.push(value);
        else checkScalar(value);
      }
    }
    level = below;
  }
}

function checkScalar(value: unknown): void {
  if (typeof value === "string") {
    if (LONE_SURROGATE.test(value)) throw new InvalidEvent("lone_surrogate");
  } else if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new InvalidEvent("not_a_number", String(value));
    const text = JSON.stringify(value);
    if (INTEGER.test(text) && (BigInt(text) < MIN_INTEGER || BigInt(text) > MAX_INTEGER)) {
      throw new InvalidEvent("number_out_of_range", text);
    }
  } else if (typeof value !== "boolean" && value !== null) {
    const kind = typeof value === "object" ? value.constructor?.name : typeof value;
    throw new InvalidEvent("invalid_json", `JSON has no ${kind}`);
  }
}

/** Return whether a value is an object as JSON has it: no array, no date, no instance of a class. */
export function isObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/** Return whether a value is written as an integer: JSON has one kind of number, and 5.0 is written as 5. */
export function isInteger(value: unknown): value is number {
  return typeof value === "number" && INTEGER.test(JSON.stringify(value));
}

/** Return whether every reader can show a text, in one line. */
export function isText(text: string): boolean {
  return !NO_TEXT.test(text);
}

/** Return whether a text has at most so many Unicode code points. */
export function hasLength(text: string, most: number): boolean {
  return text.length <= most || (text.length <= 2 * most && [...text].length <= most);
}

/** Return a time in milliseconds since the epoch. Throw RangeError outside of 1970 to 2261. */
export function timeMs(text: unknown): number {
  const atMs = anyTimeMs(text);
  if (atMs < 0 || atMs > MAX_TIME_MS) throw new RangeError("must be a time from 1970 to 2261");
  return atMs;
}

/** Return a time of any year. Throw RangeError. A leap second is the first second after it (RFC 3339). */
export function anyTimeMs(text: unknown): number {
  const match = typeof text === "string" ? TIME.exec(text) : null;
  const parts = match?.slice(1, 7).map(Number) as [number, number, number, number, number, number];
  if (match === null || !isDay(parts[0], parts[1], parts[2])) {
    throw new RangeError("must be a time with its zone (RFC 3339), such as 2026-10-01T08:00:00Z");
  }
  const [year, month, day, hour, minute, second] = parts;
  const [fraction = "", sign, hours, minutes] = match.slice(7);
  const at = new Date(0);
  at.setUTCFullYear(year, month - 1, day); // unlike Date.UTC, which takes years before 100 for those of 1900
  const offsetM = (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * (sign === "-" ? -1 : 1);
  const atMs = at.getTime() + ((hour * 60 + minute - offsetM) * 60 + second) * 1000;
  if (second < 60) return atMs + Number(fraction.slice(1, 4).padEnd(3, "0"));
  const after = new Date(atMs);
  const startsMonth = after.getUTCDate() === 1 && atMs % 86_400_000 === 0 && after.getUTCFullYear() <= 9999;
  if (!startsMonth) throw new RangeError("has a leap second where there can be none (RFC 3339 section 5.7)");
  return atMs;
}

function isDay(year: number, month: number, day: number): boolean {
  const at = new Date(0);
  at.setUTCFullYear(year, month - 1, day);
  return at.getUTCMonth() === month - 1 && at.getUTCDate() === day;
}
