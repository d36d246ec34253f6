import type { Entry, InboxState } from "../client/model.js";
import type { Frequency, PreferencesState } from "../client/preferences.js";
import type { ChunkWindow } from "./chunks.js";
import type { Strings } from "./strings.js";

export const TABS = ["unread", "all", "preferences"] as const;

export type Tab = (typeof TABS)[number];

/** What the templates show, and what they call. */
export interface View {
  readonly state: InboxState;
  readonly preferences: PreferencesState;
  readonly tab: Tab;
  /** The type that the list is limited to; `""` for all. */
  readonly type: string;
  readonly search: string;
  /** Whether the last change was refused. */
  readonly saveFailed: boolean;
  readonly strings: Strings;
  readonly locale: string;
  readonly nowMs: number;
  /** The newest entry when the list was opened. */
  readonly origin: Entry | null;
  readonly chunks: ChunkWindow;
  /** Return what a type is called. */
  titleOf(type: string): string;
  select(tab: Tab): void;
  onTabKey(event: KeyboardEvent): void;
  /** Null where the panel is always open. */
  readonly close: (() => void) | null;
  reconnect(): void;
  dismiss(): void;
  openEntry(entry: Entry, event: Event): void;
  markRead(entry: Entry): void;
  markAllRead(): void;
  loadMore(): void;
  filter(type: string): void;
  searchFor(text: string): void;
  setPreference(type: string, channel: string, on: boolean, frequency?: Frequency): void;
  loadPreferences(): void;
}
