import { InboxClient } from "../client/inbox-client.js";
import type { Entry, InboxState } from "../client/model.js";
import { IDLE, type PreferencesState } from "../client/preferences.js";
import { recipientOf, type GetToken } from "../client/token.js";

const EMPTY: InboxState = {
  connection: "connecting", error: null, ready: false, entries: [], unreadCount: 0, counts: {}, listings: {},
};

/** The properties of the element that say whose inbox it shows. */
export interface InboxSource {
  readonly baseUrl: string;
  readonly token: string;
  readonly getToken: GetToken | null;
  readonly client: InboxClient | null;
}

/** The client that an element uses: its own, or one of the application. */
export class InboxConnection {
  client: InboxClient | null = null;
  /** What its own client was made from; empty for one of the application, which is not stopped here. */
  private key = "";
  private ends: (() => void)[] = [];

  constructor(
    private readonly onChange: () => void,
    private readonly onArrival: (entries: readonly Entry[]) => void,
  ) {}

  get state(): InboxState {
    return this.client?.getSnapshot() ?? EMPTY;
  }

  get preferences(): PreferencesState {
    return this.client?.preferences.getSnapshot() ?? IDLE;
  }

  /** Use the client that the source names; keep the one in use if it is of the same recipient. Return whether it is. */
  use(source: InboxSource): boolean {
    const key = keyOf(source);
    if (this.client && (source.client ? source.client === this.client : key === this.key)) return true;
    this.drop();
    if (!source.client && !key) return true;
    const getToken: GetToken = () => source.getToken?.() ?? Promise.resolve(source.token);
    this.client = source.client ?? new InboxClient({ baseUrl: source.baseUrl, getToken });
    this.key = source.client ? "" : key;
    this.ends = [
      this.client.subscribe(this.onChange),
      this.client.preferences.subscribe(this.onChange),
      this.client.onArrival(this.onArrival),
    ];
    this.client.start();
    return false;
  }

  /** Use no client. */
  drop(): void {
    for (const end of this.ends) end();
    this.ends = [];
    if (this.key) this.client?.stop();
    this.client = null;
    this.key = "";
  }
}

/** Return a key that changes with the recipient; empty while something is missing. A `getToken` is one recipient's. */
function keyOf({ baseUrl, token, getToken }: InboxSource): string {
  if (!baseUrl || !(getToken ?? token)) return "";
  return `${baseUrl} ${getToken ? "" : (recipientOf(token) ?? token)}`;
}
