import { Backoff } from "./backoff.js";
import { Emitter } from "./emitter.js";
import type { StreamEvent } from "./event-stream.js";
import { HttpApi } from "./http.js";
import { LiveStream } from "./live-stream.js";
import { entryOf, type Connection, type Entry, type InboxState, type WireEntry } from "./model.js";
import { browserPlatform, pause, until, type Platform } from "./platform.js";
import { Preferences } from "./preferences.js";
import { InboxStore, type Mark, type Selection } from "./store.js";
import { TabGroup, type TabState } from "./tabs.js";
import { recipientOf, TokenSource, type GetToken } from "./token.js";

const JSON_API = "application/vnd.api+json";
const PAGE_ENTRIES = 50;
const MAX_PAGE_ENTRIES = 1_000;
const MARK_ENTRIES = 1_000;
const HIDDEN_PAUSE_MS = 300_000;

export interface InboxClientOptions {
  /** Where the API is, as `https://notify.example.com`. */
  readonly baseUrl: string;
  readonly getToken: GetToken;
  /** For how long a hidden page keeps its stream, in milliseconds; five minutes by default. */
  readonly hiddenPauseMs?: number;
  readonly platform?: Platform;
}

/**
 * A recipient's inbox: its entries as they arrive, and what the recipient does with them.
 *
 * `subscribe` and `getSnapshot` are what React's `useSyncExternalStore` and other frameworks expect. Nothing is
 * requested before `start`.
 */
export class InboxClient {
  readonly preferences: Preferences;
  private readonly platform: Platform;
  private readonly tokens: TokenSource;
  private readonly api: HttpApi;
  private readonly store: InboxStore;
  private readonly changes = new Emitter();
  private readonly arrivals = new Set<(entries: readonly Entry[]) => void>();
  private recipient: string | null = null;
  private group: TabGroup | null = null;
  private running: AbortController | null = null;
  private isActive = false;

  constructor(private readonly options: InboxClientOptions) {
    this.platform = options.platform ?? browserPlatform();
    const now = (): number => this.platform.now();
    this.tokens = new TokenSource(options.getToken, now, (token) => this.onToken(token));
    this.api = new HttpApi(options.baseUrl, this.tokens, this.platform);
    this.store = new InboxStore(now);
    this.preferences = new Preferences(this.api);
  }

  /** Call a listener after each change of the state; return what ends that. */
  readonly subscribe = (listener: () => void): (() => void) => this.changes.subscribe(listener);

  /** Return the state; the same object until something changes. */
  readonly getSnapshot = (): InboxState => this.store.snapshot();

  /** Call a listener with the entries that arrive while the stream is live; return what ends that. */
  readonly onArrival = (listener: (entries: readonly Entry[]) => void): (() => void) => {
    this.arrivals.add(listener);
    return () => this.arrivals.delete(listener);
  };

  /** Begin to follow the inbox; nothing if it is followed already. */
  start(): void {
    if (this.running) return;
    this.running = new AbortController();
    void this.run(this.running.signal);
  }

  /** Stop, and keep the state. `start` continues where it was. */
  stop(): void {
    this.running?.abort();
    this.running = null;
    this.setActive(false);
  }

  /** Mark entries as read. They are shown as read at once; raise, and show them as unread, if the server refuses. */
  markRead(ids: readonly string[]): Promise<void> {
    return this.mark({ ids }, async ({ ids: open }) => {
      const identifiers = [...open].map((id) => ({ type: "notifications", id }));
      for (let start = 0; start < identifiers.length; start += MARK_ENTRIES) {
        const body = { mediaType: JSON_API, value: { data: identifiers.slice(start, start + MARK_ENTRIES) } };
        // The click that marks an entry may lead to another page.
        await this.api.send("/notifications", { method: "POST", body, keepalive: open.size === 1 });
      }
    });
  }

  /** Mark all entries as read, or those of some types; otherwise as `markRead`. */
  markAllRead(types: readonly string[] = []): Promise<void> {
    return this.mark({ types }, async () => {
      const query = types.length ? { "filter[type]": types.join(",") } : {};
      await this.api.send("/v1/inbox/read-all", { method: "POST", query });
    });
  }

  /** Load the next page of read and unread entries, of one type or of all. The listing in the state says if it failed. */
  async loadMore(type = ""): Promise<void> {
    const page = this.store.beginPage(type);
    if (!page) return;
    this.changes.emit();
    const size = Math.min(Math.max(page.count, PAGE_ENTRIES), MAX_PAGE_ENTRIES);
    const query = {
      "filter[status]": "all",
      sort: "-created_at",
      "page[size]": `${size}`,
      ...(type && { "filter[type]": type }),
      ...(page.cursor && { "page[after]": page.cursor }),
    };
    try {
      const response = await this.api.send("/notifications", { query });
      const { data, links } = (await response.json()) as { data: WireEntry[]; links?: { next: string | null } };
      page.done(data.map(entryOf), cursorOf(links?.next));
    } catch (error) {
      page.fail(error as Error);
    }
    this.changes.emit();
  }

  private async mark(selection: Selection, send: (mark: Mark) => Promise<void>): Promise<void> {
    const mark = this.store.mark(selection);
    this.changes.emit();
    try {
      if (mark.ids.size) await send(mark);
      mark.confirm();
    } catch (error) {
      mark.revert();
      throw error;
    } finally {
      this.changes.emit();
    }
  }

  /** Open the stream again, without waiting. */
  reconnect(): void {
    if (!this.isActive) return;
    this.group?.leave();
    this.group?.join();
  }

  /** Join the recipient's tabs while the page is visible; leave them when it has been hidden for long. */
  private async run(signal: AbortSignal): Promise<void> {
    const { platform } = this;
    await this.identify(signal);
    while (!signal.aborted) {
      this.setActive(true);
      await this.hiddenForLong(signal);
      if (signal.aborted) return;
      this.setActive(false);
      await until(platform, signal, () => platform.isVisible());
    }
  }

  /** Fetch the first token, which says whose inbox it is. */
  private async identify(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(() => this.platform.random());
    while (!signal.aborted) {
      try {
        await this.tokens.get();
        return;
      } catch (error) {
        this.setConnection("error", error as Error);
        await pause(backoff.next(), signal);
      }
    }
  }

  private async hiddenForLong(signal: AbortSignal): Promise<void> {
    const { platform } = this;
    const isHidden = (): boolean => !platform.isVisible();
    const { hiddenPauseMs = HIDDEN_PAUSE_MS } = this.options;
    do {
      await until(platform, signal, isHidden);
      await pause(hiddenPauseMs, signal, (wake) => platform.onChange(() => platform.isVisible() && wake()));
    } while (!signal.aborted && !isHidden());
  }

  private setActive(isActive: boolean): void {
    this.isActive = isActive;
    if (isActive) this.group?.join();
    else this.group?.leave();
  }

  /** Begin the inbox of a token's recipient, if it is not the one of the tokens before. */
  private onToken(token: string): void {
    const recipient = recipientOf(token);
    if (this.group && recipient === this.recipient) return;
    if (this.group) {
      this.group.leave();
      this.store.clear();
      this.preferences.clear();
    }
    this.recipient = recipient;
    const key = recipient === null ? null : `tocsin-inbox ${this.options.baseUrl} ${recipient}`;
    const stream = this.stream();
    this.group = new TabGroup(this.platform, key, {
      lead: (signal) => stream.run(signal),
      state: () => this.tabState(),
      adopt: (state) => this.adopt(state),
      onEvents: (events) => this.receive(events),
      onConnection: (connection, error) => this.setConnection(connection, error),
    });
    this.changes.emit();
    if (this.isActive) this.group.join();
  }

  private stream(): LiveStream {
    return new LiveStream({
      platform: this.platform,
      open: (signal) => this.open(signal),
      onEvents: (events) => {
        this.receive(events); // first: events that cannot be read end the connection, and concern no other tab
        this.group?.sendEvents(events);
      },
      onConnection: (connection, error) => {
        this.group?.sendConnection(connection, error);
        this.setConnection(connection, error);
      },
    });
  }

  private open(signal: AbortSignal): Promise<Response> {
    const { lastEventId } = this.store;
    const headers = { accept: "text/event-stream", ...(lastEventId && { "last-event-id": lastEventId }) };
    return this.api.send("/v1/inbox/stream", { headers, signal });
  }

  private receive(events: readonly StreamEvent[]): void {
    const added: Entry[] = [];
    try {
      for (const event of events) added.push(...this.store.apply(event));
    } catch (error) {
      this.store.lastEventId = ""; // an event that cannot be read is missing: begin with a snapshot
      throw error;
    } finally {
      this.changes.emit();
    }
    // Later, so that a listener that fails does not end the stream.
    if (added.length) for (const listener of this.arrivals) queueMicrotask(() => listener(added));
    if (events.some(({ name }) => name === "snapshot")) this.reload();
  }

  private reload(): void {
    for (const type of this.store.stale()) void this.loadMore(type);
  }

  private tabState(): TabState | null {
    const { ready, connection } = this.store.snapshot();
    return ready ? { unread: this.store.unread(), lastEventId: this.store.lastEventId, connection } : null;
  }

  private adopt({ unread, lastEventId, connection }: TabState): void {
    this.store.replaceUnread(unread);
    this.store.lastEventId = lastEventId;
    this.setConnection(connection, null);
    this.changes.emit();
    this.reload();
  }

  private setConnection(connection: Connection, error: Error | null): void {
    this.store.setConnection(connection, error);
    this.changes.emit();
  }
}

/** Return the cursor in the address of the next page, or null. The address itself may lack a proxy's prefix. */
function cursorOf(next: string | null | undefined): string | null {
  return next ? new URL(next, "http://api").searchParams.get("page[after]") : null;
}
