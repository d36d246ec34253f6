import type { ReactiveController, ReactiveControllerHost } from "lit";
import type { Entry } from "../client/model.js";

const CHUNK_ENTRIES = 40;
const ROW_PX = 76;
/** How far outside of what is seen chunks are rendered, so that scrolling shows no gap. */
const MARGIN = "1200px 0px";

/** Neighbouring entries of a list, which are rendered together or not at all. */
export interface Chunk {
  readonly key: number;
  /** The place of the first entry in the list. */
  readonly start: number;
  readonly entries: readonly Entry[];
}

/** The chunks of the lists, which do not change: a chunk that is the same object need not be rendered again. */
const known = new WeakMap<readonly Entry[], { origin: Entry | null; chunks: Chunk[] }>();

/**
 * Divide a list, newest first, into chunks.
 *
 * They are counted from `origin`: an entry that arrives makes the newest chunk longer and leaves the others alone, so
 * nothing moves under a reader who has scrolled down.
 */
export function chunksOf(entries: readonly Entry[], origin: Entry | null): Chunk[] {
  const last = known.get(entries);
  if (last?.origin === origin) return last.chunks;
  const chunks = divide(entries, origin);
  known.set(entries, { origin, chunks });
  return chunks;
}

function divide(entries: readonly Entry[], origin: Entry | null): Chunk[] {
  const at = origin ? entries.findIndex((entry) => entry.id === origin.id || entry.createdMs < origin.createdMs) : 0;
  const newer = at < 0 ? entries.length : at;
  const chunks: Chunk[] = [];
  let key = -Math.ceil(newer / CHUNK_ENTRIES);
  for (let start = 0; start < entries.length; key++) {
    const end = newer + (key + 1) * CHUNK_ENTRIES;
    chunks.push({ key, start, entries: entries.slice(start, end) });
    start = end;
  }
  return chunks;
}

/** Decides which chunks of a list are rendered: those near what is seen, and that which has the focus. */
export class ChunkWindow implements ReactiveController {
  private observer: IntersectionObserver | null = null;
  private root: Element | null = null;
  private readonly keys = new WeakMap<Element, number>();
  private readonly near = new Set<number>();
  private readonly heightsPx = new Map<number, number>();
  private observed = new Set<Element>();

  constructor(private readonly host: ReactiveControllerHost) {
    host.addController(this);
  }

  hostDisconnected(): void {
    this.observer?.disconnect();
    this.observer = null;
    this.observed.clear();
  }

  /** Begin another list. */
  reset(): void {
    this.near.clear();
    this.heightsPx.clear();
    this.observer?.disconnect();
    this.observed.clear();
  }

  /** Return whether a chunk is rendered; the first always is, so that an entry that arrives needs no second pass. */
  isRendered(chunk: Chunk): boolean {
    return chunk.start === 0 || this.near.has(chunk.key);
  }

  /** Return the height of a chunk that is not rendered, in pixels. */
  heightPx(chunk: Chunk): number {
    return this.heightsPx.get(chunk.key) ?? chunk.entries.length * ROW_PX;
  }

  /** Watch the elements of the chunks; `root` is what scrolls, or null for the page. */
  observe(elements: Iterable<HTMLElement>, root: Element | null): void {
    if (!this.observer || root !== this.root) {
      this.observer?.disconnect();
      this.observed.clear();
      this.root = root;
      this.observer = new IntersectionObserver((seen) => this.onSeen(seen), { root, rootMargin: MARGIN });
    }
    const current = new Set<Element>(elements);
    for (const element of this.observed) if (!current.has(element)) this.observer.unobserve(element);
    for (const element of current as Set<HTMLElement>) {
      this.keys.set(element, Number(element.dataset["key"]));
      if (!this.observed.has(element)) this.observer.observe(element);
    }
    this.observed = current;
  }

  private onSeen(seen: readonly IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting, boundingClientRect } of seen) {
      const key = this.keys.get(target);
      if (key === undefined || !target.isConnected) continue;
      if (isIntersecting) this.near.add(key);
      else if (this.near.has(key) && !target.matches(":focus-within")) {
        this.heightsPx.set(key, boundingClientRect.height);
        this.near.delete(key);
      }
    }
    this.host.requestUpdate();
  }
}
