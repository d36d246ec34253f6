/** What is declared of a notification type: enough to validate its events. */

export type FieldType = "string" | "integer" | "number" | "boolean" | "datetime" | "object" | "list";

/** A documented field of the data. */
export interface DataField {
  readonly name: string;
  readonly type: FieldType;
  readonly required: boolean;
}

/**
 * A notification type.
 *
 * `needs`: the attributes that name its audience. `recipientFields`: fields of the data that name recipients in place
 * of the attribute. `supersede`: the template of its supersede key.
 */
export interface EventType {
  readonly name: string;
  readonly needs?: readonly ("recipients" | "external_id" | "account")[];
  readonly recipientFields?: readonly string[];
  readonly fields?: readonly DataField[];
  readonly supersede?: string | null;
}

const PLACE = /\{\{|\}\}|\{([^{}]*)\}/g;

/** Return the supersede key of an event of a type with this data; null where the type has none. */
export function supersedeKey(declared: EventType, data: object): string | null {
  return (
    declared.supersede?.replace(PLACE, (place: string, name?: string) =>
      name === undefined ? place.slice(1) : keyText(member(data, name)),
    ) ?? null
  );
}

/** Return the fields of the data that the supersede key of a type is made of. */
export function supersedeFields(declared: EventType): string[] {
  const places = [...(declared.supersede ?? "").matchAll(PLACE)];
  return places.flatMap(([, name]) => (name === undefined ? [] : [name]));
}

/** Return an object's own member; undefined where it has none. */
export function member(place: object, name: string): unknown {
  return Object.hasOwn(place, name) ? (place as Record<string, unknown>)[name] : undefined;
}

/** Return a value as the service writes it in a key, which is in Python's notation. */
function keyText(value: unknown): string {
  if (value === undefined) return "";
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  return String(value);
}
