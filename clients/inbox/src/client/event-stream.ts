/** An event of a server-sent event stream. `id` is the last id that the stream had up to here. */
export interface StreamEvent {
  readonly name: string;
  readonly id: string;
  readonly data: string;
}

/**
 * A parser of server-sent events (WHATWG HTML, 9.2.6), for chunks that may end at any byte.
 *
 * Lines end with LF, CR or CRLF; comments and unknown fields are ignored; an event without data is none.
 */
export class EventStreamParser {
  /** The reconnection time that the server asks for; null until it does. */
  retryMs: number | null = null;
  private readonly decoder = new TextDecoder(); // removes a byte order mark, and replaces what is not UTF-8
  private rest = "";
  private afterCr = false;
  private id = "";
  private name = "";
  private data: string[] = [];

  /** Return the events that these bytes complete. */
  push(bytes: Uint8Array): StreamEvent[] {
    const text = this.decoder.decode(bytes, { stream: true });
    const events: StreamEvent[] = [];
    if (!text) return events;
    let start = this.afterCr && text[0] === "\n" ? 1 : 0;
    this.afterCr = false;
    const end = /[\r\n]/g;
    for (;;) {
      end.lastIndex = start;
      const match = end.exec(text);
      if (!match) break;
      const line = this.rest + text.slice(start, match.index);
      this.rest = "";
      start = match.index + 1;
      if (match[0] === "\r") {
        if (start === text.length) this.afterCr = true;
        else if (text[start] === "\n") start += 1;
      }
      const event = this.take(line);
      if (event) events.push(event);
    }
    this.rest += text.slice(start);
    return events;
  }

  /** Take a line; return the event that it completes, or null. */
  private take(line: string): StreamEvent | null {
    if (!line) return this.complete();
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") this.data.push(value);
    else if (field === "event") this.name = value;
    else if (field === "id" && !value.includes("\0")) this.id = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.retryMs = Number(value);
    return null;
  }

  private complete(): StreamEvent | null {
    const event = this.data.length ? { name: this.name || "message", id: this.id, data: this.data.join("\n") } : null;
    this.name = "";
    this.data = [];
    return event;
  }
}
