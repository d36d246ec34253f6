import { Emitter } from "./emitter.js";
import type { HttpApi } from "./http.js";
import type { components } from "./openapi.js";

const PATH = "/v1/inbox/preferences";

type Document = components["schemas"]["InboxPreferences"];

/** The channels by which a type's notifications reach the recipient. */
export type TypePreferences = Document["types"][number];

/** Whether a channel is on, whether the recipient may change that, and what stops it. */
export type ChannelPreference = TypePreferences["channels"][number];

/** How often email of a type comes. */
export type Frequency = NonNullable<ChannelPreference["frequency"]>;

/** A span of local time without email. */
export type QuietWindow = NonNullable<Document["quiet_hours"]>[number];

/** A new zone, or new quiet hours: null for the default, empty for none at all. */
export type TimesChange = Pick<components["schemas"]["InboxPreferenceChanges"], "timezone" | "quiet_hours">;

export interface PreferencesState {
  readonly status: "idle" | "loading" | "ready" | "error";
  /** Why they could not be loaded. */
  readonly error: Error | null;
  /** Where email goes, masked; null if there is no address. */
  readonly address: string | null;
  readonly types: readonly TypePreferences[];
  readonly timezone: string;
  /** Null for the default. */
  readonly quietHours: readonly QuietWindow[] | null;
}

export const IDLE: PreferencesState = { status: "idle", error: null, address: null, types: [], timezone: "UTC", quietHours: null };

interface Change {
  readonly type: string;
  readonly channel: string;
  readonly on: boolean;
  readonly frequency?: Frequency;
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

  /**
   * Switch a channel of a type on or off, and choose how often it comes. Raise what the server refuses it with, after
   * the state is as before.
   */
  async set(type: string, channel: string, on: boolean, frequency?: Frequency): Promise<void> {
    const change: Change = { type, channel, on, ...(frequency && { frequency }) };
    this.lay([...this.changes, change]);
    try {
      this.loaded = ready(await this.inTurn({ preferences: [change] }));
    } finally {
      this.lay(this.changes.filter((other) => other !== change));
    }
  }

  /** Change the zone or the quiet hours, which are shown once they are saved. Raise what the server refuses it with. */
  async setTimes(times: TimesChange): Promise<void> {
    try {
      this.loaded = ready(await this.inTurn(times));
    } finally {
      this.lay(this.changes);
    }
  }

  /** Forget everything: another recipient's preferences will be loaded. */
  clear(): void {
    this.changes = [];
    this.update(IDLE);
  }

  /** Send one after the other: a response has all of the document, and the last must be the newest. */
  private inTurn(body: object): Promise<Document> {
    const sent = this.sending.then(() => this.send(body));
    this.sending = sent.catch(() => undefined);
    return sent;
  }

  private async send(value: object): Promise<Document> {
    const response = await this.api.send(PATH, {
      method: "PATCH",
      query: this.locale ? { locale: this.locale } : {},
      body: { mediaType: "application/json", value },
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
        return change ? changed(cell, change) : cell;
      }),
    }));
    return { ...this.loaded, types };
  }
}

/** Return whether a channel is used, as far as the recipient decides: an unsubscribe counts as switched off. */
export function isOn({ on, blocked }: ChannelPreference): boolean {
  return on && blocked?.reason !== "unsubscribed";
}

function ready({ address, types, timezone, quiet_hours }: Document): PreferencesState {
  return { status: "ready", error: null, address, types, timezone, quietHours: quiet_hours };
}

/** Switching a channel on ends an unsubscribe; a suppression stays. */
function changed(cell: ChannelPreference, { on, frequency = cell.frequency ?? undefined }: Change): ChannelPreference {
  return { ...cell, on, frequency: frequency ?? null, blocked: on && cell.blocked?.reason === "unsubscribed" ? null : cell.blocked };
}
