import type { Platform } from "../src/client/platform.js";

/** The tabs of one browser: they share locks and channels. */
export class FakeBrowser {
  /** How many of the next messages get lost. */
  losses = 0;
  private readonly queues = new Map<string, (() => void)[]>();
  private readonly channels = new Set<FakeChannel>();

  /** Return a new tab. */
  tab(): FakeTab {
    return new FakeTab(this);
  }

  /** Hold a lock while the callback runs; the others wait in order. */
  async request(name: string, signal: AbortSignal, callback: () => Promise<void>): Promise<void> {
    const queue = this.queues.get(name) ?? [];
    this.queues.set(name, queue);
    await new Promise<void>((resolve, reject) => {
      const grant = (): void => resolve();
      queue.push(grant);
      signal.addEventListener("abort", () => {
        if (queue.indexOf(grant) > 0) queue.splice(queue.indexOf(grant), 1);
        reject(signal.reason as Error);
      });
      if (queue[0] === grant) grant();
    });
    try {
      await callback();
    } finally {
      queue.shift();
      queue[0]?.();
    }
  }

  open(name: string): BroadcastChannel {
    const channel = new FakeChannel(name, this.channels, this);
    this.channels.add(channel);
    return channel as unknown as BroadcastChannel;
  }
}

class FakeChannel {
  onmessage: ((event: { data: unknown }) => void) | null = null;

  constructor(
    private readonly name: string,
    private readonly all: Set<FakeChannel>,
    private readonly browser: FakeBrowser,
  ) {}

  postMessage(message: unknown): void {
    if (this.browser.losses > 0) {
      this.browser.losses -= 1;
      return;
    }
    const copy: unknown = structuredClone(message);
    for (const other of this.all) {
      if (other !== this && other.name === this.name) {
        setImmediate(() => this.all.has(other) && other.onmessage?.({ data: copy }));
      }
    }
  }

  close(): void {
    this.all.delete(this);
  }
}

/** A tab, whose network and visibility the test switches. */
export class FakeTab implements Platform {
  online = true;
  visible = true;
  clockMs = 0;
  readonly locks: Platform["locks"];
  private readonly listeners = new Set<() => void>();

  constructor(private readonly browser: FakeBrowser) {
    this.locks = {
      request: (name: string, options: { signal: AbortSignal }, callback: () => Promise<void>) =>
        browser.request(name, options.signal, callback),
    } as unknown as Platform["locks"];
  }

  readonly fetch: typeof fetch = (input, init) => {
    if (!this.online) return Promise.reject(new TypeError("no network"));
    return fetch(input, init);
  };

  now(): number {
    return Date.now() + this.clockMs;
  }

  random(): number {
    return 0;
  }

  isOnline(): boolean {
    return this.online;
  }

  isVisible(): boolean {
    return this.visible;
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  channel(name: string): BroadcastChannel {
    return this.browser.open(name);
  }

  /** Change the network or the visibility. */
  set(change: { online?: boolean; visible?: boolean }): void {
    Object.assign(this, change);
    for (const listener of [...this.listeners]) listener();
  }
}

/** Wait until a condition holds. */
export async function until(condition: () => boolean, what = condition.toString()): Promise<void> {
  const endMs = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > endMs) throw new Error(`not within 10 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
