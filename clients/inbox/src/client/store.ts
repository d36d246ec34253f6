import type { StreamEvent } from "./event-stream.js";
import { entryOf, type Connection, type Entry, type InboxState, type Listing, type WireEntry } from "./model.js";

const NO_LISTING: Listing = { oldestMs: Infinity, complete: false, loading: false, error: null };

/** A choice of entries by their ids, or by their types; without types, all. */
export type Selection = { readonly ids: readonly string[] } | { readonly types: readonly string[] };

/** A mark that the server has not confirmed yet. */
export interface Mark {
  readonly ids: ReadonlySet<string>;
  confirm(): void;
  revert(): void;
}

/** A page that is being loaded. Its result is ignored if a snapshot has come in between. */
export interface PageRequest {
  /** Where the page begins; empty for the first. */
  readonly cursor: string;
  /** How many entries the listing has shown until now, if it is loaded again; otherwise 0. */
  readonly count: number;
  /** Apply the page, newest first; `next` is the cursor after it, or null if it is the last. */
  done(entries: readonly Entry[], next: string | null): void;
  fail(error: Error): void;
}

interface Row {
  readonly entry: Entry;
  /** Decides between entries of the same second: what the server sends later is newer, and a page continues downwards. */
  readonly rank: number;
}

/**
 * The entries of an inbox, and what is read.
 *
 * The rows are what the server has said. Marks that it has not confirmed lie over them, so that a refused one can be
 * taken away and no event in between is lost. Every change may be applied twice: an entry has one row, and one that is
 * read stays read. Counts are those of the rows: they cannot disagree with the list.
 */
export class InboxStore {
  /** The id of the last event that was applied: where a stream resumes. */
  lastEventId = "";
  private readonly rows = new Map<string, Row>();
  private readonly marks = new Set<{ readonly ids: ReadonlySet<string>; readonly atMs: number }>();
  private readonly listings = new Map<string, Listing>();
  private readonly cursors = new Map<string, string>();
  private generation = 0;
  private top = 0;
  private bottom = 0;
  private ready = false;
  private connection: Connection = "connecting";
  private error: Error | null = null;
  private state: InboxState | null = null;

  constructor(private readonly now: () => number) {}

  /** Return the state; the same object until something changes. */
  snapshot(): InboxState {
    return (this.state ??= this.build());
  }

  /** Apply an event of the stream; return the entries that are new. Raise SyntaxError for data that are not JSON. */
  apply(event: StreamEvent): Entry[] {
    const added = this.applyData(event.name, event.data);
    this.lastEventId = event.id || this.lastEventId;
    return added;
  }

  private applyData(name: string, text: string): Entry[] {
    switch (name) {
      case "snapshot":
        this.replaceUnread((JSON.parse(text) as { data: WireEntry[] }).data.map(entryOf));
        return [];
      case "new":
        return this.add(entryOf((JSON.parse(text) as { data: WireEntry }).data));
      case "read":
        this.read(idsOf(text));
        return [];
      case "removed":
        this.remove(idsOf(text));
        return [];
      default: // `counts` follow from the entries; events of later versions are ignored
        return [];
    }
  }

  /** Replace all unread entries, oldest first. What was read or removed meanwhile is not known: listings are stale. */
  replaceUnread(entries: readonly Entry[]): void {
    for (const [id, { entry }] of this.rows) if (entry.readMs === null) this.rows.delete(id);
    for (const entry of entries) this.rows.set(entry.id, { entry, rank: ++this.top });
    for (const type of this.listings.keys()) this.setListing(type, { loading: false });
    this.cursors.clear();
    this.generation += 1;
    this.ready = true;
    this.changed();
  }

  /** Return the listings that have to be loaded again. */
  stale(): string[] {
    return [...this.listings.keys()].filter((type) => !this.cursors.has(type));
  }

  /** Begin to load the next page of a listing, or the first if it is stale; null if there is nothing to load. */
  beginPage(type: string): PageRequest | null {
    const { listings, generation } = this;
    const listing = listings.get(type) ?? NO_LISTING;
    const cursor = this.cursors.get(type);
    if (listing.loading || (cursor !== undefined && listing.complete)) return null;
    const isShown = (entry: Entry): boolean => (!type || entry.type === type) && entry.createdMs >= listing.oldestMs;
    const count = cursor === undefined ? [...this.rows.values()].filter(({ entry }) => isShown(entry)).length : 0;
    this.setListing(type, { loading: true, error: null });
    const unlessOutdated = (apply: () => void): void => {
      if (generation === this.generation) apply();
    };
    return {
      cursor: cursor ?? "",
      count,
      done: (entries, next) => unlessOutdated(() => this.addPage(type, entries, next)),
      fail: (error) => unlessOutdated(() => this.setListing(type, { loading: false, error })),
    };
  }

  private addPage(type: string, entries: readonly Entry[], next: string | null): void {
    this.dropMissing(type, entries, next === null);
    for (const entry of entries) {
      const row = this.rows.get(entry.id);
      // A row that is read stays read: the page may be older than the event.
      if (!row) this.rows.set(entry.id, { entry, rank: --this.bottom });
      else if (entry.readMs !== null) this.rows.set(entry.id, { ...row, entry });
    }
    this.cursors.set(type, next ?? "");
    const oldestMs = next === null ? -Infinity : (entries.at(-1)?.createdMs ?? Infinity);
    this.setListing(type, { oldestMs, complete: next === null, loading: false, error: null });
  }

  /** Drop the read entries that a page of their time does not have: they have been removed. */
  private dropMissing(type: string, page: readonly Entry[], isLast: boolean): void {
    const [first, last] = [page[0], page.at(-1)];
    if (!first || !last) return;
    const oldestMs = isLast ? -Infinity : last.createdMs;
    const ids = new Set(page.map(({ id }) => id));
    for (const [id, { entry }] of this.rows) {
      const isInPage = entry.createdMs < first.createdMs && entry.createdMs > oldestMs;
      if (isInPage && entry.readMs !== null && (!type || entry.type === type) && !ids.has(id)) this.rows.delete(id);
    }
  }

  private setListing(type: string, change: Partial<Listing>): void {
    this.listings.set(type, { ...NO_LISTING, ...this.listings.get(type), ...change });
    this.changed();
  }

  /** Lay a mark over the unread entries of a selection. */
  mark(selection: Selection): Mark {
    const chosen = "ids" in selection ? new Set(selection.ids) : new Set(selection.types);
    const key = "ids" in selection ? "id" : "type";
    const all = key === "type" && !chosen.size;
    const open = this.snapshot().entries.filter((entry) => entry.readMs === null && (all || chosen.has(entry[key])));
    const overlay = { ids: new Set(open.map(({ id }) => id)), atMs: this.now() };
    this.marks.add(overlay);
    this.changed();
    const revert = (): void => {
      this.marks.delete(overlay);
      this.changed();
    };
    const confirm = (): void => {
      this.read(overlay.ids);
      revert();
    };
    return { ids: overlay.ids, confirm, revert };
  }

  /** Set the state of the connection. */
  setConnection(connection: Connection, error: Error | null): void {
    if (connection === this.connection && error === this.error) return;
    this.connection = connection;
    this.error = error;
    this.changed();
  }

  /** Return the unread entries, oldest first, as the server has them: what another tab begins with. */
  unread(): Entry[] {
    return this.sorted().filter((entry) => entry.readMs === null).reverse();
  }

  /** Forget everything: the inbox of another recipient begins. */
  clear(): void {
    this.rows.clear();
    this.marks.clear();
    this.listings.clear();
    this.cursors.clear();
    this.generation += 1;
    this.lastEventId = "";
    this.ready = false;
    this.changed();
  }

  private add(entry: Entry): Entry[] {
    if (this.rows.has(entry.id)) return [];
    this.rows.set(entry.id, { entry, rank: ++this.top });
    this.changed();
    return [entry];
  }

  private read(ids: Iterable<string>): void {
    const readMs = this.now();
    for (const id of ids) {
      const row = this.rows.get(id);
      if (row?.entry.readMs === null) this.rows.set(id, { ...row, entry: { ...row.entry, readMs } });
    }
    this.changed();
  }

  private remove(ids: Iterable<string>): void {
    for (const id of ids) this.rows.delete(id);
    this.changed();
  }

  private changed(): void {
    this.state = null;
  }

  private sorted(): Entry[] {
    const newestFirst = (a: Row, b: Row): number => b.entry.createdMs - a.entry.createdMs || b.rank - a.rank;
    return [...this.rows.values()].sort(newestFirst).map((row) => row.entry);
  }

  private build(): InboxState {
    const marked = new Map([...this.marks].flatMap(({ ids, atMs }) => [...ids].map((id) => [id, atMs] as const)));
    const entries = this.sorted().map((entry) => {
      const readMs = entry.readMs ?? marked.get(entry.id) ?? null;
      return readMs === entry.readMs ? entry : { ...entry, readMs };
    });
    const counts: Record<string, number> = Object.create(null) as Record<string, number>;
    for (const { type, readMs } of entries) if (readMs === null) counts[type] = (counts[type] ?? 0) + 1;
    const unreadCount = Object.values(counts).reduce((sum, count) => sum + count, 0);
    const listings = Object.fromEntries(this.listings);
    const { connection, error, ready } = this;
    return { connection, error, ready, entries, unreadCount, counts, listings };
  }
}

function idsOf(text: string): string[] {
  return (JSON.parse(text) as { data: { id: string }[] }).data.map(({ id }) => id);
}
