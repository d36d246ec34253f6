import type { Entry } from "../client/model.js";
import { fill, type Strings } from "./strings.js";

const GATHER_MS = 1_000;
const MAX_LINE_CHARACTERS = 200;

/** Gathers the entries of a second into one sentence for screen readers. */
export class Announcer {
  private entries: Entry[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly say: (entries: readonly Entry[]) => void) {}

  add(entries: readonly Entry[]): void {
    this.entries.push(...entries);
    this.timer ??= setTimeout(() => {
      const gathered = this.entries;
      this.clear();
      this.say(gathered);
    }, GATHER_MS);
  }

  clear(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.entries = [];
  }
}

/** Return the sentence about entries that have arrived. */
export function sentenceOf(entries: readonly Entry[], strings: Strings, locale: string): string {
  const line = entries[0]?.line.slice(0, MAX_LINE_CHARACTERS) ?? "";
  return fill(strings.arrived, locale, { n: entries.length, line });
}
