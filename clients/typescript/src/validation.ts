/**
 * Validate an event: the service's checks, in its order, with its reasons.
 *
 * `clients/README.md` has the list, `clients/vectors.json` the events that hold both to each other.
 */
import { InvalidEvent } from "./errors.js";
import { member, supersedeFields, type DataField, type EventType } from "./event-type.js";
import { present, Withdraw, type Event } from "./event.js";
import { anyTimeMs, checkJson, hasLength, isInteger, isObject, isText, timeMs } from "./values.js";

type Fields = Record<string, unknown>;
type Types = ReadonlyMap<string, EventType>;

const MAX_BYTES = 256 * 1024;
const MAX_ATTRIBUTES = 256;
const MAX_TEXT = 1024;
const MAX_DATA_TEXT = 10_000;
const MAX_TIME_TEXT = 40;
const MAX_RECIPIENTS = 20_000;
const MAX_AHEAD_MS = 366 * 86_400_000;
const WITHDRAW = "withdraw";
const NAME = /^[a-z0-9]{1,128}$/;
const UNDERSCORED: Record<string, string> = {
  externalid: "external_id",
  projectid: "project_id",
  supersedekey: "supersede_key",
};
const SPELLINGS: Record<string, string> = { ...UNDERSCORED, expirytime: "expires" };
const TEXTS = ["external_id", "project_id", "account", "actor", "supersede_key"];
const EXTENSIONS = ["recipients", "expires", "deliverat", ...TEXTS, ...Object.keys(SPELLINGS)].sort().reverse();

/** Throw InvalidEvent for an event that the service would refuse, with its reason. */
export function validate(event: Event): void {
  const types = new Map([[event.type, event.declared]]);
  if (event instanceof Withdraw && event.target) types.set(event.target.name, event.target);
  validateFields(event.fields(), types, Date.now());
}

/** Throw InvalidEvent for an event in structured form. `nowMs`: the time at which it is sent. */
export function validateFields(event: object, types: Types, nowMs: number): void {
  const fields = present(event);
  checkJson(fields);
  if (Buffer.byteLength(JSON.stringify(fields)) > MAX_BYTES) {
    throw new InvalidEvent("too_large", `more than ${MAX_BYTES} bytes`);
  }
  checkAttributes(fields);
  const data = Object.hasOwn(fields, "data") ? fields["data"] : {};
  if (!isObject(data)) throw new InvalidEvent("invalid_data", "data: must be an object");
  const [source, name] = checkRequired(fields);
  for (const optional of ["subject", "datacontenttype", "dataschema", "partitionkey"]) {
    if (Object.hasOwn(fields, optional) && !clean(fields[optional], optional)) {
      throw new InvalidEvent("invalid_attribute", `${optional}: must not be empty`);
    }
  }
  checkTime(fields, "time", timeMs);
  const declared = find(name, types);
  if (declared === undefined || declared.name === WITHDRAW) {
    if (lastPart(name) !== WITHDRAW) throw new InvalidEvent("unknown_type", JSON.stringify(name.slice(0, 128)));
    checkTarget(data, source, types);
    return;
  }
  checkData(data, declared);
  checkExtensions(extensionsOf(fields, data), declared, data, nowMs);
}

function checkAttributes(fields: Fields): void {
  const entries = Object.entries(fields);
  if (entries.length > MAX_ATTRIBUTES) {
    throw new InvalidEvent("invalid_attribute", `more than ${MAX_ATTRIBUTES} attributes`);
  }
  for (const [name, value] of entries) {
    if (name === "data") continue;
    if (!NAME.test(name) && !Object.values(UNDERSCORED).includes(name)) {
      throw new InvalidEvent("invalid_attribute", `${JSON.stringify(name.slice(0, 64))}: a name has only a-z and 0-9`);
    }
    if (typeof value === "object" && !(name === "recipients" && Array.isArray(value))) {
      throw new InvalidEvent("invalid_attribute", `${name.slice(0, 64)}: cannot be an object or array`);
    }
  }
}

/** Return source and type. */
function checkRequired(fields: Fields): [string, string] {
  const texts = ["id", "source", "type"].map((name) => {
    const value = member(fields, name);
    if (value === undefined || value === "") throw new InvalidEvent("missing_attribute", name);
    return clean(value, name);
  });
  return [texts[1]!, texts[2]!];
}

function clean(value: unknown, name: string): string {
  if (typeof value !== "string" || !hasLength(value, MAX_TEXT) || !isText(value)) {
    const detail = `${name}: must be text of at most ${MAX_TEXT} characters without control characters`;
    throw new InvalidEvent("invalid_attribute", detail);
  }
  return value;
}

/** Return an attribute that may be an integer as text; empty where it is unset. */
function textOf(fields: Fields, name: string): string {
  const value = member(fields, name) ?? null;
  if (value === null) return "";
  return isInteger(value) ? String(value) : clean(value, name);
}

function checkTime(fields: Fields, name: string, check: (text: unknown) => number): void {
  if (!Object.hasOwn(fields, name)) return;
  try {
    check(fields[name]);
  } catch (error) {
    throw new InvalidEvent("invalid_attribute", `${name}: ${(error as Error).message}`);
  }
}

function find(name: string, types: Types): EventType | undefined {
  return types.get(name) ?? types.get(lastPart(name));
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}

/** Throw InvalidEvent unless it is clear what a withdrawal withdraws. */
function checkTarget(data: Fields, source: string, types: Types): void {
  const has = (name: string) => member(data, name) !== undefined;
  if (has("id") === has("type")) throw new InvalidEvent("invalid_withdrawal", "data: needs either an id or a type");
  if (has("id")) {
    checkNamed(has("source") ? data["source"] : source, "source");
    checkNamed(data["id"], "id");
    return;
  }
  const name = checkNamed(data["type"], "type");
  const declared = find(name, types);
  if (declared === undefined) throw new InvalidEvent("unknown_type", JSON.stringify(name.slice(0, 128)));
  if (has("key") === has("data")) {
    throw new InvalidEvent("invalid_withdrawal", "data: needs either a key or data, beside the type");
  }
  if (has("key")) {
    checkNamed(textOf(data, "key"), "key");
    return;
  }
  if (typeof declared.supersede !== "string") {
    const detail = `${declared.name} has no supersede key of its own: name one by \`key\``;
    throw new InvalidEvent("invalid_withdrawal", detail);
  }
  const ofEvents = data["data"];
  for (const field of supersedeFields(declared)) {
    if (!isObject(ofEvents) || (member(ofEvents, field) ?? null) === null) {
      throw new InvalidEvent("invalid_withdrawal", `data.data.${field}: is required`);
    }
  }
}

function checkNamed(value: unknown, name: string): string {
  if (isEmpty(value)) throw new InvalidEvent("invalid_withdrawal", `data.${name}: must not be empty`);
  return clean(value, `data.${name}`);
}

/** Return whether a value says nothing, as the service sees it: an empty array or object too. */
function isEmpty(value: unknown): boolean {
  return !value || (typeof value === "object" && Object.keys(value).length === 0);
}

function checkData(data: Fields, declared: EventType): void {
  for (const field of declared.fields ?? []) {
    const value = member(data, field.name) ?? null;
    if (value === null && !field.required) continue;
    if (value === null || !hasType(value, field)) {
      const absent = member(data, field.name) === undefined;
      const detail = `${field.name}: ${absent ? "is required" : `must be of the type ${field.type}`}`;
      throw new InvalidEvent("invalid_data", detail);
    }
  }
}

function hasType(value: unknown, field: DataField): boolean {
  switch (field.type) {
    case "string":
      return typeof value === "string" && hasLength(value, MAX_DATA_TEXT);
    case "integer":
      return isInteger(value);
    case "number":
      return typeof value === "number";
    case "boolean":
      return typeof value === "boolean";
    case "datetime":
      return typeof value === "string" && value.length <= MAX_TIME_TEXT && isTime(value);
    case "object":
      return isObject(value);
    case "list":
      return Array.isArray(value);
  }
}

function isTime(text: string): boolean {
  try {
    timeMs(text);
    return true;
  } catch {
    return false;
  }
}

/** Return our extensions. An attribute wins over one in the data, and `x_y` over `xy`. */
function extensionsOf(fields: Fields, data: Fields): Fields {
  const extensions: Fields = {};
  for (const place of [data, fields]) {
    for (const name of EXTENSIONS) {
      const value = member(place, name) ?? null;
      if (value !== null) extensions[SPELLINGS[name] ?? name] = value;
    }
  }
  return extensions;
}

function checkExtensions(extensions: Fields, declared: EventType, data: Fields, nowMs: number): void {
  let recipients = extensions["recipients"];
  if (recipients === undefined) {
    const named = (declared.recipientFields ?? []).map((name) => member(data, name)).filter((name) => !isEmpty(name));
    recipients = named.length > 0 ? named : undefined;
  }
  if (recipients !== undefined) checkRecipients(recipients);
  TEXTS.forEach((name) => textOf(extensions, name));
  checkTime(extensions, "expires", anyTimeMs);
  checkTime(extensions, "deliverat", timeMs);
  if (Object.hasOwn(extensions, "deliverat") && timeMs(extensions["deliverat"]) - nowMs > MAX_AHEAD_MS) {
    throw new InvalidEvent("invalid_attribute", "deliverat: is more than 366 days ahead");
  }
  for (const name of declared.needs ?? []) {
    const value = name === "recipients" ? recipients : extensions[name];
    if (value === undefined || (name !== "recipients" && value === "")) {
      throw new InvalidEvent("missing_audience", `${name} is needed for ${declared.name}`);
    }
  }
}

/** Throw InvalidEvent unless these are recipient ids; as text they are a JSON array or separated by commas. */
function checkRecipients(value: unknown): void {
  const ids = typeof value === "string" ? listed(value) : value;
  const isId = (id: unknown) => typeof id === "string" && id !== "" && hasLength(id, 128);
  if (!Array.isArray(ids) || !ids.every(isId)) {
    throw new InvalidEvent("invalid_attribute", "recipients: must be a list of ids of 1 to 128 characters");
  }
  ids.forEach((id) => clean(id, "recipients"));
  if (new Set(ids).size > MAX_RECIPIENTS) {
    throw new InvalidEvent("invalid_attribute", `recipients: more than ${MAX_RECIPIENTS}`);
  }
}

function listed(text: string): unknown {
  if (!text.startsWith("[")) return text.split(",").map((part) => part.trim());
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InvalidEvent("invalid_json", `recipients: ${(error as Error).message}`);
  }
}
