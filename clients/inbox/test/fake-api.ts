import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

interface FakeEntry {
  id: string;
  type: string;
  atMs: number;
  readMs: number | null;
}

interface Change {
  name: "new" | "read" | "removed";
  data: unknown;
}

/** The inbox API of one recipient, in memory, behind a real HTTP server. */
export class FakeApi {
  readonly entries = new Map<string, FakeEntry>();
  readonly requests: string[] = [];
  /** The ids after which streams have resumed; null for one that began with a snapshot. */
  readonly resumed: (string | null)[] = [];
  /** Answers to the next requests, by path: a status and headers. */
  readonly refusals: { path: string; status: number; headers?: Record<string, string> }[] = [];
  /** Tokens that are accepted; all, if there are none. */
  readonly accepted = new Set<string>();
  preferences: unknown = { types: [], timezone: "UTC", quiet_hours: null };
  isSilent = false;
  private readonly changes: Change[] = [];
  private forgotten = 0;
  private readonly streams = new Set<ServerResponse>();
  private server: Server;
  private port = 0;

  constructor() {
    this.server = createServer((request, response) => void this.serve(request, response));
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get openStreams(): number {
    return this.streams.size;
  }

  /** Listen, on the port of before if there was one. */
  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(this.port, "127.0.0.1", resolve));
    this.port = (this.server.address() as AddressInfo).port;
  }

  /** Cut all connections and listen no more. */
  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  add(id: string, type = "overbid", atMs = Date.UTC(2026, 0, 1) + this.entries.size * 1000): void {
    this.entries.set(id, { id, type, atMs, readMs: null });
    this.change("new", resource(this.entries.get(id)!));
  }

  read(...ids: string[]): void {
    const open = ids.map((id) => this.entries.get(id)).filter((entry) => entry?.readMs === null);
    for (const entry of open) entry!.readMs = Date.UTC(2026, 5, 1);
    if (open.length) this.change("read", open.map((entry) => ({ type: "notifications", id: entry!.id })));
  }

  remove(...ids: string[]): void {
    for (const id of ids) this.entries.delete(id);
    this.change("removed", ids.map((id) => ({ type: "notifications", id })));
  }

  /** Forget the changes, so that streams that resume get a snapshot. */
  forget(): void {
    this.forgotten = this.changes.length + 1;
    this.changes.push({ name: "removed", data: [] });
  }

  /** End all streams normally. */
  endStreams(): void {
    for (const stream of this.streams) stream.end();
  }

  /** Cut all streams. */
  cutStreams(): void {
    for (const stream of this.streams) stream.destroy();
  }

  /** Send the last changes again. */
  repeat(count: number): void {
    for (const stream of this.streams) {
      for (let at = this.changes.length - count; at < this.changes.length; at++) stream.write(this.text(at));
    }
  }

  /** Send any text to all streams. */
  write(text: string): void {
    for (const stream of this.streams) stream.write(text);
  }

  private change(name: Change["name"], data: unknown): void {
    this.changes.push({ name, data });
    if (!this.isSilent) for (const stream of this.streams) stream.write(this.text(this.changes.length - 1));
  }

  private text(at: number): string {
    const { name, data } = this.changes[at]!;
    return `event: ${name}\nid: ${at + 1}\ndata: ${JSON.stringify({ data })}\n\n`;
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", this.url);
    let body = "";
    for await (const chunk of request) body += chunk;
    this.requests.push(`${request.method} ${url.pathname}`);
    const token = request.headers.authorization?.replace("Bearer ", "") ?? "";
    if (this.accepted.size && !this.accepted.has(token)) return void problem(response, 401);
    const refusal = this.refusals.findIndex(({ path }) => path === url.pathname);
    if (refusal >= 0) {
      const { status, headers } = this.refusals.splice(refusal, 1)[0]!;
      return void problem(response, status, headers);
    }
    switch (`${request.method} ${url.pathname}`) {
      case "GET /v1/inbox/stream":
        return this.stream(request, response);
      case "GET /notifications":
        return this.page(url.searchParams, response);
      case "POST /notifications":
        this.read(...(JSON.parse(body) as { data: { id: string }[] }).data.map(({ id }) => id));
        return void response.writeHead(204).end();
      case "POST /v1/inbox/read-all": {
        const types = url.searchParams.get("filter[type]")?.split(",");
        const open = [...this.entries.values()].filter((entry) => !types || types.includes(entry.type));
        this.read(...open.map(({ id }) => id));
        return void response.end(JSON.stringify({ read: open.length }));
      }
      case "GET /v1/inbox/preferences":
      case "PATCH /v1/inbox/preferences":
        return void response.end(JSON.stringify(this.preferences));
      default:
        return void problem(response, 404);
    }
  }

  private stream(request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("retry: 5\n\n");
    const id = (request.headers["last-event-id"] as string | undefined) ?? null;
    this.resumed.push(id);
    const last = Number(id ?? NaN);
    const position = this.changes.length;
    if (last >= this.forgotten && last <= position) {
      for (let at = last; at < position; at++) response.write(this.text(at));
    } else {
      const unread = [...this.entries.values()].filter(({ readMs }) => readMs === null).map(resource);
      response.write(`event: snapshot\nid: ${position}\ndata: ${JSON.stringify({ data: unread })}\n\n`);
    }
    response.write(`event: counts\nid: ${position}\ndata: {"data":[]}\n\n`);
    this.streams.add(response);
    response.on("close", () => this.streams.delete(response));
  }

  private page(query: URLSearchParams, response: ServerResponse): void {
    const type = query.get("filter[type]");
    const rows = [...this.entries.values()].filter((entry) => !type || entry.type === type).reverse();
    const start = Number(query.get("page[after]") ?? 0);
    const end = start + Number(query.get("page[size]"));
    const next = end < rows.length ? `/notifications?${new URLSearchParams({ "page[after]": `${end}` }).toString()}` : null;
    const data = rows.slice(start, end).map((entry) => {
      const wire = resource(entry);
      const readAt = entry.readMs === null ? null : new Date(entry.readMs).toISOString();
      return { ...wire, attributes: { ...wire.attributes, read_at: readAt } };
    });
    response.end(JSON.stringify({ data, links: { next } }));
  }
}

function resource({ id, type, atMs }: FakeEntry) {
  const attributes = { type: 6, type_str: type, meta: {}, created_at: new Date(atMs).toISOString() };
  return { type: "notifications", id, attributes, meta: { line: `About ${id}`, link: null } };
}

function problem(response: ServerResponse, status: number, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "content-type": "application/problem+json", ...headers });
  response.end(JSON.stringify({ type: "about:blank", title: "Refused", status, detail: `refused with ${status}` }));
}

/** Return an unsigned JWT. */
export function jwt(claims: Record<string, unknown>): string {
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${encode({ alg: "none" })}.${encode(claims)}.`;
}
