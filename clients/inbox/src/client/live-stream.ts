import { Backoff } from "./backoff.js";
import { InboxError } from "./errors.js";
import { EventStreamParser, type StreamEvent } from "./event-stream.js";
import type { Connection } from "./model.js";
import { pause, until, type Platform } from "./platform.js";

/** No heartbeat for three of the server's intervals: the connection is dead, though nothing has closed it. */
export const WATCHDOG_MS = 45_000;

/** A connection that ends sooner is no sign of a healthy server: a proxy may cut each of them. */
const SHORT_MS = 5_000;

export interface LiveStreamOptions {
  readonly platform: Platform;
  /** Send the request; raise InboxError unless the response is a success. */
  readonly open: (signal: AbortSignal) => Promise<Response>;
  /** Take the events of a chunk. What it raises ends the connection. */
  readonly onEvents: (events: readonly StreamEvent[]) => void;
  readonly onConnection: (connection: Connection, error: Error | null) => void;
  readonly watchdogMs?: number;
}

/** The stream of an inbox, opened again whenever it ends, until it is aborted. */
export class LiveStream {
  private readonly backoff: Backoff;
  private hasFailed = false;

  constructor(private readonly options: LiveStreamOptions) {
    this.backoff = new Backoff(options.platform.random);
  }

  /** Read events until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { platform, onConnection } = this.options;
    while (!signal.aborted) {
      if (!platform.isOnline()) {
        onConnection("offline", null);
        await until(platform, signal, () => platform.isOnline());
        continue;
      }
      // While attempts fail, the state says why rather than that there is another one.
      if (!this.hasFailed) onConnection("connecting", null);
      const waitMs = await this.attempt(signal);
      // A tab that is shown again, or a network that is back, need not wait.
      if (waitMs > 0 && !signal.aborted) await pause(waitMs, signal, (wake) => this.onReturn(wake));
    }
  }

  /** Read one connection to its end; return for how long to wait before the next, in milliseconds. */
  private async attempt(signal: AbortSignal): Promise<number> {
    const { platform, onConnection } = this.options;
    const startMs = platform.now();
    try {
      const hadEvents = await this.read(signal);
      // A stream ends normally when its token expires or the server restarts.
      return hadEvents && platform.now() - startMs >= SHORT_MS ? 0 : this.backoff.next();
    } catch (error) {
      if (signal.aborted || !platform.isOnline()) return 0;
      this.hasFailed = true;
      const refused = !(error instanceof TypeError) && (error as InboxError).status !== 0;
      onConnection(refused ? "error" : "offline", error as Error);
      return Math.max(this.backoff.next(), error instanceof InboxError ? error.retryAfterMs : 0);
    }
  }

  /** Read events until the response ends; return whether there were any. Raise what ended it otherwise. */
  private async read(signal: AbortSignal): Promise<boolean> {
    const { platform, watchdogMs = WATCHDOG_MS } = this.options;
    const cut = new AbortController();
    const cutOff = (): void => cut.abort(new InboxError("The connection is lost.", 0));
    const unwatch = platform.onChange(() => platform.isOnline() || cutOff());
    let watchdog = setTimeout(cutOff, watchdogMs);
    const alive = (): void => {
      clearTimeout(watchdog);
      watchdog = setTimeout(cutOff, watchdogMs);
    };
    try {
      return await this.readResponse(AbortSignal.any([signal, cut.signal]), alive);
    } catch (error) {
      throw cut.signal.aborted ? cut.signal.reason : error;
    } finally {
      clearTimeout(watchdog);
      unwatch();
      cut.abort(); // else a response that is not read to its end keeps its connection
    }
  }

  private async readResponse(signal: AbortSignal, alive: () => void): Promise<boolean> {
    const { open, onEvents, onConnection } = this.options;
    const response = await open(signal);
    if (!response.headers.get("content-type")?.startsWith("text/event-stream") || !response.body) {
      throw new InboxError("The response is not an event stream.", response.status);
    }
    const parser = new EventStreamParser();
    const reader = response.body.getReader();
    let hadEvents = false;
    for (;;) {
      alive();
      const { done, value } = await reader.read();
      if (done) return hadEvents;
      const events = parser.push(value);
      if (parser.retryMs !== null) this.backoff.baseMs = parser.retryMs;
      if (!events.length) continue;
      onEvents(events);
      hadEvents = true;
      this.hasFailed = false;
      this.backoff.reset();
      onConnection("live", null);
    }
  }

  private onReturn(wake: () => void): () => void {
    const { platform } = this.options;
    return platform.onChange(() => {
      if (platform.isOnline() && platform.isVisible()) wake();
    });
  }
}
