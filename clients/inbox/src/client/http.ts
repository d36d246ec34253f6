import { errorOf } from "./errors.js";
import type { Platform } from "./platform.js";
import type { TokenSource } from "./token.js";

export interface ApiRequest {
  readonly method?: "GET" | "POST" | "PATCH";
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON of this media type. */
  readonly body?: { readonly mediaType: string; readonly value: unknown };
  readonly signal?: AbortSignal;
  /** Send it even if the page is left meanwhile; for small bodies only. */
  readonly keepalive?: boolean;
}

/** Requests to the API with the recipient's token; a token that is refused is replaced once. */
export class HttpApi {
  private readonly base: string;

  constructor(
    baseUrl: string,
    private readonly tokens: TokenSource,
    private readonly platform: Platform,
  ) {
    this.base = baseUrl.replace(/\/+$/, "");
  }

  /** Return a successful response. Raise InboxError for any other, TypeError without one, and what `getToken` raises. */
  async send(path: string, request: ApiRequest = {}): Promise<Response> {
    const token = await this.tokens.get();
    const response = await this.sendWith(token, path, request);
    if (response.status !== 401) return this.checked(response);
    this.tokens.refuse(token);
    return this.checked(await this.sendWith(await this.tokens.get(), path, request));
  }

  private sendWith(token: string, path: string, request: ApiRequest): Promise<Response> {
    const { method, query, headers, body, signal, keepalive } = request;
    const search = query ? `?${new URLSearchParams(query).toString()}` : "";
    return this.platform.fetch(`${this.base}${path}${search}`, {
      method: method ?? "GET",
      headers: {
        ...headers,
        authorization: `Bearer ${token}`,
        ...(body && { "content-type": body.mediaType }),
      },
      body: body ? JSON.stringify(body.value) : null,
      cache: "no-store",
      credentials: "omit",
      signal: signal ?? null,
      keepalive: keepalive ?? false,
    });
  }

  private async checked(response: Response): Promise<Response> {
    if (response.ok) return response;
    throw await errorOf(response, this.platform.now());
  }
}
