import type { StreamEvent } from "./event-stream.js";
import type { Connection, Entry } from "./model.js";
import type { Platform } from "./platform.js";

/** What a tab without a stream needs to begin: the leader's unread entries, and the events up to them. */
export interface TabState {
  readonly unread: readonly Entry[];
  readonly lastEventId: string;
  readonly connection: Connection;
}

/** A tab's inbox, as its group sees it. */
export interface TabMember {
  /** Read the stream until the signal aborts. */
  lead(signal: AbortSignal): Promise<void>;
  /** Return the state, or null if the unread entries are not known yet. */
  state(): TabState | null;
  adopt(state: TabState): void;
  onEvents(events: readonly StreamEvent[]): void;
  onConnection(connection: Connection, error: Error | null): void;
}

/** The leader's messages are numbered, so that a tab that has missed one notices. */
type Message =
  | { kind: "hello"; from: string }
  | { kind: "state"; to: string; term: string; number: number; state: TabState }
  | { kind: "events"; term: string; number: number; events: readonly StreamEvent[] }
  | { kind: "connection"; connection: Connection; message: string | null };

/**
 * The tabs of one recipient in one browser. One of them leads: it holds the lock and reads the stream, and sends the
 * others what it reads. When it is closed the next one gets the lock, and resumes after the last event that it has
 * seen. Without locks or a recipient each tab leads itself.
 */
export class TabGroup {
  private readonly tab = `${Math.random()}`;
  private channel: BroadcastChannel | null = null;
  private membership: AbortController | null = null;
  private leads = false;
  private term = "";
  private number = 0;

  constructor(
    private readonly platform: Platform,
    /** The name of lock and channel; null for a group of this tab alone. */
    private readonly key: string | null,
    private readonly member: TabMember,
  ) {}

  /** Follow the leader, and lead when it is this tab's turn. */
  join(): void {
    if (this.membership) return;
    const { signal } = (this.membership = new AbortController());
    const { locks } = this.platform;
    this.channel = this.key && locks ? this.platform.channel(this.key) : null;
    if (!this.key || !locks || !this.channel) {
      void this.lead(signal);
      return;
    }
    this.channel.onmessage = (event: MessageEvent<Message>) => this.receive(event.data);
    this.post({ kind: "hello", from: this.tab });
    // The lock may be refused, for example in a sandboxed frame; being aborted is refused too.
    locks.request(this.key, { signal }, () => this.lead(signal)).catch(() => this.lead(signal));
  }

  /** Leave the leadership to another tab, and read nothing more. */
  leave(): void {
    this.membership?.abort();
    this.membership = null;
    this.leads = false;
    this.term = "";
    this.channel?.close();
    this.channel = null;
  }

  /** Send events to the other tabs; nothing unless this tab leads. */
  sendEvents(events: readonly StreamEvent[]): void {
    if (this.leads) this.post({ kind: "events", term: this.term, number: ++this.number, events });
  }

  /** Send the state of the connection to the other tabs; nothing unless this tab leads. */
  sendConnection(connection: Connection, error: Error | null): void {
    if (this.leads) this.post({ kind: "connection", connection, message: error?.message ?? null });
  }

  private async lead(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    this.leads = true;
    this.term = `${this.tab}/${Math.random()}`;
    this.number = 0;
    await this.member.lead(signal);
  }

  private receive(message: Message): void {
    switch (message.kind) {
      case "hello":
        this.answer(message.from);
        break;
      case "state":
        if (this.leads || message.to !== this.tab) break;
        this.term = message.term;
        this.number = message.number;
        this.member.adopt(message.state);
        break;
      case "events":
        this.follow(message.term, message.number, message.events);
        break;
      case "connection":
        if (!this.leads) this.member.onConnection(message.connection, message.message ? new Error(message.message) : null);
    }
  }

  private answer(to: string): void {
    const state = this.leads ? this.member.state() : null;
    if (state) this.post({ kind: "state", to, term: this.term, number: this.number, state });
  }

  private follow(term: string, number: number, events: readonly StreamEvent[]): void {
    if (this.leads) return;
    if (term === this.term && number === this.number + 1) {
      this.number = number;
      this.member.onEvents(events);
    } else {
      // A message is missing, or another tab leads now.
      this.post({ kind: "hello", from: this.tab });
    }
  }

  private post(message: Message): void {
    this.channel?.postMessage(message);
  }
}
