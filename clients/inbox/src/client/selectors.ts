import type { Entry, InboxState } from "./model.js";

export interface EntryFilter {
  /** A type's name; `""` for all. */
  readonly type: string;
  readonly status: "unread" | "all";
}

/** The lists of a state: it does not change, and a page asks for them again whenever it scrolls. */
const lists = new WeakMap<InboxState, Map<string, readonly Entry[]>>();

/**
 * Return the entries of a list, newest first.
 *
 * A list of all entries ends where its listing has been loaded to: older unread ones are known, but what was read
 * between them is not.
 */
export function entriesOf(state: InboxState, filter: EntryFilter): readonly Entry[] {
  const known = lists.get(state) ?? new Map<string, readonly Entry[]>();
  lists.set(state, known);
  const key = `${filter.status} ${filter.type}`;
  const list = known.get(key) ?? select(state, filter);
  known.set(key, list);
  return list;
}

function select({ entries, listings }: InboxState, { type, status }: EntryFilter): readonly Entry[] {
  const oldestMs = listings[type]?.oldestMs ?? Infinity;
  return entries.filter(
    (entry) =>
      (!type || entry.type === type) && (status === "unread" ? entry.readMs === null : entry.createdMs >= oldestMs),
  );
}
