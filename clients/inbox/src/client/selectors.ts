import type { Entry, InboxState } from "./model.js";

export interface EntryFilter {
  /** A type's name; `""` for all. */
  readonly type: string;
  readonly status: "unread" | "all";
}

/**
 * Return the entries of a list, newest first.
 *
 * A list of all entries ends where its listing has been loaded to: older unread ones are known, but what was read
 * between them is not.
 */
export function entriesOf(state: InboxState, { type, status }: EntryFilter): readonly Entry[] {
  const ofType = type ? state.entries.filter((entry) => entry.type === type) : state.entries;
  if (status === "unread") return ofType.filter((entry) => entry.readMs === null);
  const oldestMs = state.listings[type]?.oldestMs ?? Infinity;
  return ofType.filter((entry) => entry.createdMs >= oldestMs);
}
