import { Emitter } from "./emitter.js";
import type { HttpApi } from "./http.js";
import type { components } from "./openapi.js";

const PATH = "/v1/inbox/preferences";

type Document = components["schemas"]["InboxPreferences"];

/** The channels by which a type's notifications reach the recipient. */
export type TypePreferences = Document["types"][number];

/** Whether a channel is on, whether the recipient may change that, and what stops it. */
export type ChannelPreference = TypePreferences["channels"][number];

export interface PreferencesState {
  readonly status: "idle" | "loading" | "ready" | "error";
  /** Why they could not be loaded. */
  readonly error: Error | null;
  /** Where email goes, masked; null if there is no address. */
  readonly address: string | null;
  readonly types: readonly TypePreferences[];
}

export const IDLE: PreferencesState = { status: "idle", error: null, address: null, types: [] };

interface Change {
  readonly type: string;
  readonly channel: string;
  readonly on: boolean;
}

/** The recipient's preferences. A change is shown at once, and taken away if the server refuses it. */
export class Preferences {
  private readonly emitter = new Emitter();
  private loaded = IDLE;
  private changes: readonly Change[] = [];
  private locale = "";
  private sending: Promise<unknown> = Promise.resolve();
  private state: PreferencesState | null = null;

  constructor(private readonly api: HttpApi) {}

  /** Call a listener after each change; return what ends that. */
  readonly subscribe = (listener: () => void): (() => void) => this.emitter.subscribe(listener);

  /** Return the state; the same object until something changes. */
  readonly getSnapshot = (): PreferencesState => (this.state ??= this.build());

  /** Load the preferences, with texts in a language. The state says whether it failed. */
  async load(locale: string): Promise<void> {
    this.locale = locale;
    this.update({ ...this.loaded, status: this.loaded.types.length ? "ready" : "loading", error: null });
    try {
      const response = await this.api.send(PATH, { query: { locale } });
      const loaded = ready((await response.json()) as Document);
      if (locale === this.locale) this.update(loaded);
    } catch (error) {
      if (locale === this.locale) this.update({ ...this.loaded, status: "error", error: error as Error });
    }
  }

  /** Switch a channel of a type on or off. Raise what the server refuses it with, after the state is as before. */
  async set(type: string, channel: string, on: boolean): Promise<void> {
    const change: Change = { type, channel, on };
    this.lay([...this.changes, change]);
    // One after the other: a response has all of the document, and the last must be the newest.
    const sent = this.sending.then(() => this.send(change));
    this.sending = sent.catch(() => undefined);
    try {
      this.loaded = ready(await sent);
    } finally {
      this.lay(this.changes.filter((other) => other !== change));
    }
  }

  /** Forget everything: another recipient's preferences will be loaded. */
  clear(): void {
    this.changes = [];
    this.update(IDLE);
  }

  private async send(change: Change): Promise<Document> {
    const response = await this.api.send(PATH, {
      method: "PATCH",
      query: this.locale ? { locale: this.locale } : {},
      body: { mediaType: "application/json", value: { preferences: [change] } },
    });
    return (await response.json()) as Document;
  }

  private update(loaded: PreferencesState): void {
    this.loaded = loaded;
    this.lay(this.changes);
  }

  private lay(changes: readonly Change[]): void {
    this.changes = changes;
    this.state = null;
    this.emitter.emit();
  }

  private build(): PreferencesState {
    if (!this.changes.length) return this.loaded;
    const types = this.loaded.types.map((row) => ({
      ...row,
      channels: row.channels.map((cell) => {
        const change = this.changes.findLast(({ type, channel }) => type === row.type && channel === cell.channel);
        return change ? changed(cell, change.on) : cell;
      }),
    }));
    return { ...this.loaded, types };
  }
}

/** Return whether a channel is used, as far as the recipient decides: an unsubscribe counts as switched off. */
export function isOn({ on, blocked }: ChannelPreference): boolean {
  return on && blocked?.reason !== "unsubscribed";
}

function ready({ address, types }: Document): PreferencesState {
  return { status: "ready", error: null, address, types };
}

/** Switching a channel on ends an unsubscribe; a suppression stays. */
function changed(cell: ChannelPreference, on: boolean): ChannelPreference {
  return { ...cell, on, blocked: on && cell.blocked?.reason === "unsubscribed" ? null : cell.blocked };
}
