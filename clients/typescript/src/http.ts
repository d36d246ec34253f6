/** Publish over HTTP: `POST /v1/events`, with repeats where they have no second effect. */
import { setTimeout as pause } from "node:timers/promises";

import {
  httpMessage,
  structuredText,
  toCloudEvent,
  type AnyCloudEvent,
  type HttpMessage,
  type Mode,
} from "./cloud-event.js";
import { AccessDenied, InvalidEvent, REASONS, RequestRefused, Unavailable, type Reason } from "./errors.js";
import type { Event } from "./event.js";
import { batches, type Publisher } from "./publisher.js";

const BATCH = "application/cloudevents-batch+json";
const HTTP_DATE = /^[A-Z][a-z]+, .* GMT$/;

/**
 * How often a request is made, and the pauses between: doubled each time, with jitter of up to half.
 *
 * A `Retry-After` of the API is kept to, up to `longestWaitMs`; a longer one ends the attempts.
 */
export interface Retries {
  readonly attempts: number;
  readonly pauseMs: number;
  readonly longestPauseMs: number;
  readonly longestWaitMs: number;
}

const RETRIES: Retries = { attempts: 5, pauseMs: 200, longestPauseMs: 10_000, longestWaitMs: 60_000 };

/** An API key or a JWT of the scope `events`, or a function that returns one. */
export type Credential = string | (() => string | Promise<string>);

export interface HttpOptions {
  /** How a single event is carried; several are batches. Default: `structured`. */
  readonly mode?: Mode;
  /** For how long an attempt waits for its answer. Default: 10 s. */
  readonly timeoutMs?: number;
  readonly retries?: Partial<Retries>;
  /** In place of the global one. */
  readonly fetch?: typeof fetch;
}

/** `first`: the place of its first event in the call. */
interface Request extends HttpMessage {
  readonly first: number;
}

/** A response, read. */
interface Answer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly text: string;
}

/** A `Publisher` over HTTP. `url`: of the API, as `https://tocsin.example`. */
export class HttpPublisher implements Publisher {
  readonly #url: URL;
  readonly #credential: Credential;
  readonly #mode: Mode;
  readonly #timeoutMs: number;
  readonly #retries: Retries;
  readonly #fetch: typeof fetch;

  constructor(url: string | URL, credential: Credential, options: HttpOptions = {}) {
    this.#url = new URL(`${String(url).replace(/\/+$/, "")}/v1/events`);
    this.#credential = credential;
    this.#mode = options.mode ?? "structured";
    this.#timeoutMs = options.timeoutMs ?? 10_000;
    this.#retries = { ...RETRIES, ...options.retries };
    this.#fetch = options.fetch ?? fetch;
  }

  /**
   * Resolve once all events are acknowledged; several are sent as batches.
   *
   * Reject with InvalidEvent or PublishError. Batches before one that is refused are published.
   */
  async publish(...events: (Event | AnyCloudEvent)[]): Promise<void> {
    // Validate all events first: nothing is sent if one is refused.
    const cloudEvents = events.map((event, index) => toCloudEvent(event, index));
    for (const request of requests(cloudEvents, this.#mode)) await this.#attempt(request);
  }

  async #attempt(request: Request): Promise<void> {
    let fault = "";
    let attempt = 1;
    for (; ; attempt++) {
      const answer = await this.#send(request);
      if (!(answer instanceof Error) && !isTemporary(answer.status)) {
        check(answer, request.first);
        return;
      }
      fault = answer instanceof Error ? errorText(answer) : `HTTP ${answer.status}`;
      const pauseMs = this.#pauseMs(attempt, answer instanceof Error ? null : answer.retryAfter);
      if (attempt >= this.#retries.attempts || pauseMs > this.#retries.longestWaitMs) break;
      await pause(pauseMs);
    }
    throw new Unavailable(`no acknowledgement; attempts: ${attempt}; the last: ${fault}`);
  }

  /** Return the answer, or the error of the connection. */
  async #send(request: Request): Promise<Answer | Error> {
    const token = typeof this.#credential === "string" ? this.#credential : await this.#credential();
    const headers = new Headers({ ...request.headers, authorization: `Bearer ${token}` });
    try {
      const signal = AbortSignal.timeout(this.#timeoutMs);
      const response = await this.#fetch(this.#url, {
        method: "POST",
        headers,
        body: request.body,
        signal,
        redirect: "manual",
      });
      return { status: response.status, retryAfter: response.headers.get("retry-after"), text: await response.text() };
    } catch (error) {
      return error as Error;
    }
  }

  #pauseMs(attempt: number, retryAfter: string | null): number {
    const afterMs = retryAfterMs(retryAfter);
    if (afterMs !== null) return afterMs;
    const pauseMs = Math.min(this.#retries.pauseMs * 2 ** (attempt - 1), this.#retries.longestPauseMs);
    return pauseMs * (0.5 + Math.random() / 2);
  }
}

function* requests(events: readonly AnyCloudEvent[], mode: Mode): Generator<Request> {
  const [single] = events;
  if (single !== undefined && events.length === 1) {
    yield { ...httpMessage(single, mode), first: 0 };
    return;
  }
  for (const { first, batch } of batches(events.map(structuredText), Buffer.byteLength)) {
    yield { headers: { "content-type": BATCH }, body: `[${batch.join(",")}]`, first };
  }
}

function isTemporary(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

/** Throw the error of an answer that is no acknowledgement. `first`: the place of the request's first event. */
function check(answer: Answer, first: number): void {
  if (answer.status >= 200 && answer.status < 300) return;
  const { detail, reason, index } = problem(answer.text);
  const text = typeof detail === "string" ? detail : "";
  if (answer.status === 401 || answer.status === 403) throw new AccessDenied(text || `HTTP ${answer.status}`);
  if (typeof reason === "string") {
    const known = REASONS.includes(reason as Reason) ? (reason as Reason) : "unprocessable"; // of a later version
    throw new InvalidEvent(known, text, Number.isInteger(index) ? first + (index as number) : first);
  }
  throw new RequestRefused(answer.status, text);
}

/** Return the problem document of an answer (RFC 9457); empty where it is none. */
function problem(text: string): Record<string, unknown> {
  try {
    const document: unknown = JSON.parse(text);
    return typeof document === "object" && document !== null ? { ...document } : {};
  } catch {
    return {};
  }
}

/** Return the milliseconds of `Retry-After`, a number or a date (RFC 9110 section 10.2.3); null where it is neither. */
function retryAfterMs(text: string | null): number | null {
  if (text !== null && /^[0-9]+$/.test(text)) return Number(text) * 1000;
  if (text === null || !HTTP_DATE.test(text)) return null;
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : Math.max(0, at - Date.now());
}

/** Return an error's text with that of its cause, in which `fetch` says what happened. */
function errorText(error: Error): string {
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
