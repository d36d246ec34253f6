import type { components } from "./openapi.js";

/** An entry as the API sends it. */
export type WireEntry = components["schemas"]["Notification"];

/** An inbox entry. Its texts come from events and are not trusted: they are text, never markup. */
export interface Entry {
  readonly id: string;
  /** The name of the notification type, as `overbid`. */
  readonly type: string;
  /** The text in the recipient's language. */
  readonly line: string;
  /** An http or https URL, or null. */
  readonly link: string | null;
  /** The data that the event carried for clients. */
  readonly meta: Readonly<Record<string, unknown>>;
  readonly createdMs: number;
  /** When it was marked as read; null if it is unread. */
  readonly readMs: number | null;
}

/**
 * The state of the connection: `connecting`, until the first response; `live`; `offline`, if the network or the server
 * cannot be reached; `error`, if the server or `getToken` refuses. The client keeps trying in all of them.
 */
export type Connection = "connecting" | "live" | "offline" | "error";

/** How far one listing, of one type or of all, has been loaded. */
export interface Listing {
  /** Entries from this time on are complete, read ones included; Infinity before the first page. */
  readonly oldestMs: number;
  readonly complete: boolean;
  readonly loading: boolean;
  readonly error: Error | null;
}

/** The inbox at a moment. It is not changed: a change gives a new one, and an unchanged part is the same object. */
export interface InboxState {
  readonly connection: Connection;
  /** Why the connection is in the state `error` or `offline`. */
  readonly error: Error | null;
  /** Whether the unread entries are known. */
  readonly ready: boolean;
  /** Every entry that is known, newest first: all that are unread, and those read that were loaded or seen. */
  readonly entries: readonly Entry[];
  readonly unreadCount: number;
  /** Unread entries by type; types without any are left out. */
  readonly counts: Readonly<Record<string, number>>;
  /** Listings of read and unread entries by type; `""` is that of all types. */
  readonly listings: Readonly<Record<string, Listing>>;
}

/** Return the entry of a resource object. */
export function entryOf(wire: WireEntry): Entry {
  const { type_str: type, meta, created_at: createdAt, read_at: readAt } = wire.attributes;
  return {
    id: wire.id,
    type,
    line: wire.meta.line,
    link: webLink(wire.meta.link),
    meta,
    createdMs: Date.parse(createdAt),
    readMs: readAt ? Date.parse(readAt) : null,
  };
}

/** Return an address if it is absolute and of the web; null for any other scheme, as `javascript:`. */
export function webLink(link: string | null | undefined): string | null {
  if (!link) return null;
  try {
    const url = new URL(link);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}
