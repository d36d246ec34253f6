/** What the client needs of its surroundings; tests replace it. */
export interface Platform {
  readonly fetch: typeof fetch;
  now(): number;
  random(): number;
  isOnline(): boolean;
  isVisible(): boolean;
  /** Call a function whenever the network or the visibility changes; return what ends that. */
  onChange(listener: () => void): () => void;
  /** Web Locks, or null where the browser or an insecure context has none. */
  readonly locks: Pick<LockManager, "request"> | null;
  /** Open a channel to the other tabs, or return null where there is none. */
  channel(name: string): BroadcastChannel | null;
}

/** Return the platform of a browser; in a process without a page, always online and visible. */
export function browserPlatform(): Platform {
  const page = globalThis.document ?? null;
  const window = globalThis.window ?? null;
  const browser: Partial<Navigator> = globalThis.navigator ?? {};
  return {
    fetch: (input, init) => fetch(input, init),
    now: () => Date.now(),
    random: () => Math.random(),
    isOnline: () => browser.onLine ?? true,
    isVisible: () => page?.visibilityState !== "hidden",
    onChange(listener) {
      const targets: [EventTarget | null, string][] = [
        [window, "online"],
        [window, "offline"],
        [window, "pageshow"],
        [page, "visibilitychange"],
        [page, "resume"],
      ];
      for (const [target, name] of targets) target?.addEventListener(name, listener);
      return () => {
        for (const [target, name] of targets) target?.removeEventListener(name, listener);
      };
    },
    locks: browser.locks ?? null,
    channel: (name) => (!globalThis.BroadcastChannel ? null : new BroadcastChannel(name)),
  };
}

/** Wait, or return early when the signal aborts or `wake` is called. */
export function pause(durationMs: number, signal: AbortSignal, onWake?: (wake: () => void) => () => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = durationMs === Infinity ? undefined : setTimeout(finish, durationMs);
    const unwatch = onWake?.(finish);
    signal.addEventListener("abort", finish);
    if (signal.aborted) finish();

    function finish(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      unwatch?.();
      resolve();
    }
  });
}

/** Wait until a condition on the network or the visibility holds, or the signal aborts. */
export async function until(platform: Platform, signal: AbortSignal, condition: () => boolean): Promise<void> {
  while (!signal.aborted && !condition()) await pause(Infinity, signal, (wake) => platform.onChange(wake));
}
