import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { InboxClient } from "../client/inbox-client.js";
import type { Entry, InboxState } from "../client/model.js";
import { IDLE } from "../client/preferences.js";
import { entriesOf } from "../client/selectors.js";
import { recipientOf, type GetToken } from "../client/token.js";
import { Announcer, sentenceOf } from "./announcer.js";
import { ChunkWindow } from "./chunks.js";
import { BELL, CHECK_ALL, CLOSE, OFFLINE, WARNING } from "./icons.js";
import { listView } from "./list-view.js";
import { directionOf, localeOf } from "./locale.js";
import { placeBeside } from "./popover.js";
import { preferencesView } from "./preferences-view.js";
import { fill, readable, stringsOf, type Strings } from "./strings.js";
import { styles } from "./styles.js";
import type { Tab, View } from "./view.js";

const TABS: readonly Tab[] = ["unread", "all", "preferences"];
const MAX_BADGE = 99;
const TIMES_MS = 30_000;
const MORE_MARGIN = "600px 0px";
const EMPTY: InboxState = {
  connection: "connecting", error: null, ready: false, entries: [], unreadCount: 0, counts: {}, listings: {},
};

/**
 * `<tocsin-inbox>`: a bell with the number of unread entries and a panel below it, or the panel as a page.
 *
 * @fires tocsin-open - The panel was opened or closed; `detail.open` says which.
 * @fires tocsin-entry-click - An entry was chosen: `detail.entry`. Cancelled, its link is not followed.
 * @fires tocsin-count - The number of unread entries has changed: `detail.count` and, by type, `detail.counts`.
 */
export class TocsinInbox extends LitElement {
  static override readonly styles = styles;
  static override readonly properties = {
    baseUrl: { attribute: "base-url" },
    token: {},
    locale: {},
    mode: { reflect: true },
    theme: { reflect: true },
    strings: { attribute: false },
    getToken: { attribute: false },
    client: { attribute: false },
    isOpen: { state: true },
    tab: { state: true },
    type: { state: true },
    search: { state: true },
    saveFailed: { state: true },
    announcement: { state: true },
  };

  /** Where the API is. */
  declare baseUrl: string;
  /** A token, where the page has one that lives long enough; otherwise set `getToken`. */
  declare token: string;
  /** Fetches a token whenever one is needed. Another recipient needs another element. */
  declare getToken: GetToken | null;
  /** A language as `de` or `pt-BR`; by default that of the page. */
  declare locale: string;
  declare mode: "bell" | "page";
  declare theme: "auto" | "light" | "dark";
  /** Texts that replace those of the language. */
  declare strings: Partial<Strings>;
  /** A client that the application shares and starts; by default the element has its own. */
  declare client: InboxClient | null;
  private declare isOpen: boolean;
  private declare tab: Tab;
  private declare type: string;
  private declare search: string;
  private declare saveFailed: boolean;
  private declare announcement: string;

  private inbox: InboxClient | null = null;
  private inboxKey = "";
  private unsubscribe: (() => void)[] = [];
  private origin: Entry | null = null;
  private count = -1;
  private hadFocus = false;
  private clock: ReturnType<typeof setInterval> | undefined;
  private moreObserver: IntersectionObserver | null = null;
  private readonly chunks = new ChunkWindow(this);
  private readonly announcer = new Announcer((entries) => {
    const { strings, locale } = this.texts();
    this.announcement = sentenceOf(entries, strings, locale);
  });

  constructor() {
    super();
    Object.assign(this, { baseUrl: "", token: "", getToken: null, locale: "", mode: "bell", theme: "auto" });
    Object.assign(this, { strings: {}, client: null, isOpen: false, tab: "unread", type: "", search: "" });
    Object.assign(this, { saveFailed: false, announcement: "" });
  }

  /** Return the number of unread entries. */
  get unreadCount(): number {
    return this.inbox?.getSnapshot().unreadCount ?? 0;
  }

  /** Open the panel; nothing in the mode `page`, which always shows it. */
  open(): void {
    this.panel?.showPopover?.();
  }

  /** Close the panel. */
  close(): void {
    if (this.mode !== "page") this.panel?.hidePopover?.();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.clock = setInterval(() => this.isShown && this.requestUpdate(), TIMES_MS);
    this.requestUpdate();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.clock);
    this.moreObserver?.disconnect();
    this.detach();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    this.attach();
    if (changed.has("token") && this.inbox?.getSnapshot().connection === "error") this.inbox.reconnect();
    if (changed.has("locale") && changed.get("locale") !== undefined) this.loadPreferences();
    this.origin ??= this.entries()[0] ?? null;
  }

  protected override updated(): void {
    if (!this.isShown || !this.inbox) return;
    const { listings } = this.inbox.getSnapshot();
    const root = this.mode === "page" ? null : this.renderRoot.querySelector(".scroll");
    this.chunks.observe(this.renderRoot.querySelectorAll<HTMLElement>(".chunk"), root);
    if (this.tab === "all" && !listings[this.type]) void this.inbox.loadMore(this.type);
    if (this.inbox.preferences.getSnapshot().status === "idle") this.loadPreferences();
    this.moreObserver?.disconnect();
    const more = this.renderRoot.querySelector("#more");
    if (!more) return;
    const onSeen: IntersectionObserverCallback = (seen) => {
      if (seen.some((one) => one.isIntersecting)) void this.inbox?.loadMore(this.type);
    };
    this.moreObserver = new IntersectionObserver(onSeen, { root, rootMargin: MORE_MARGIN });
    this.moreObserver.observe(more);
  }

  protected override render(): TemplateResult {
    const { strings, locale } = this.texts();
    const { unreadCount } = this.inbox?.getSnapshot() ?? EMPTY;
    const label = unreadCount ? fill(strings.bell, locale, { n: unreadCount }) : strings.bellNone;
    const status = html`<div class="hidden-text" role="status">${this.announcement}</div>`;
    if (this.mode === "page") {
      return html`${status}<section class="panel" part="panel" aria-labelledby="title" dir=${this.direction()}>${this.content()}</section>`;
    }
    return html`${status}
      <button class="icon bell" part="bell" type="button" popovertarget="panel" aria-haspopup="dialog" aria-expanded=${this.isOpen}
        aria-label=${label} @animationend=${this.endRing}>
        ${BELL}${unreadCount ? html`<span class="badge" part="badge">${unreadCount > MAX_BADGE ? `${MAX_BADGE}+` : unreadCount}</span>` : nothing}
      </button>
      <div class="panel" part="panel" id="panel" popover role="dialog" aria-labelledby="title" dir=${this.direction()}
        @beforetoggle=${this.onBeforeToggle} @toggle=${this.onToggle}>${this.isOpen ? this.content() : nothing}</div>`;
  }

  private content(): TemplateResult {
    const { strings } = this.texts();
    const { connection, unreadCount, counts } = this.inbox?.getSnapshot() ?? EMPTY;
    const isList = this.tab !== "preferences";
    const open = this.type ? (counts[this.type] ?? 0) : unreadCount;
    return html`
      <header part="header">
        <h2 id="title" part="title" tabindex="-1">${strings.title}</h2>
        ${isList
          ? html`<button class="icon" part="mark-all" type="button" aria-label=${strings.markAllRead} title=${strings.markAllRead}
              aria-disabled=${!open} @click=${this.markAllRead}>${CHECK_ALL}</button>`
          : nothing}
        ${this.mode === "page"
          ? nothing
          : html`<button class="icon" part="close" type="button" aria-label=${strings.close} title=${strings.close} @click=${this.close}>${CLOSE}</button>`}
      </header>
      <div role="tablist" part="tabs" aria-label=${strings.views} @keydown=${this.onTabKey}>
        ${TABS.map((tab) => html`<button role="tab" part="tab" type="button" id="tab-${tab}" aria-controls="view" aria-selected=${tab === this.tab}
          tabindex=${tab === this.tab ? 0 : -1} @click=${() => this.select(tab)}>${strings[tab]}${tab === "unread" && unreadCount
            ? html`<span class="number">${unreadCount}</span>` : nothing}</button>`)}
      </div>
      ${connection === "offline" ? html`<div class="notice offline" role="status">${OFFLINE}<span>${strings.offline}</span></div>` : nothing}
      ${connection === "error"
        ? html`<div class="notice error" role="alert">${WARNING}<span>${strings.loadFailed}</span>
            <button class="text-button" type="button" @click=${() => this.inbox?.reconnect()}>${strings.retry}</button></div>`
        : nothing}
      <div class="scroll" part="view" id="view" role="tabpanel" aria-labelledby="tab-${this.tab}" tabindex="-1">
        ${isList ? listView(this.view()) : preferencesView(this.view())}
      </div>
      ${this.saveFailed
        ? html`<div class="notice error foot" role="alert">${WARNING}<span>${strings.saveFailed}</span>
            <button class="icon" type="button" aria-label=${strings.close} @click=${() => (this.saveFailed = false)}>${CLOSE}</button></div>`
        : nothing}
    `;
  }

  private view(): View {
    const preferences = this.inbox?.preferences.getSnapshot() ?? IDLE;
    const titles = new Map(preferences.types.map(({ type, title }) => [type, title]));
    const { tab, type, search, origin, chunks } = this;
    return {
      ...this.texts(),
      ...{ tab, type, search, origin, chunks, preferences },
      state: this.inbox?.getSnapshot() ?? EMPTY,
      nowMs: Date.now(),
      titleOf: (name) => titles.get(name) ?? readable(name),
      openEntry: (entry, event) => this.openEntry(entry, event),
      markRead: (entry) => void this.markRead(entry),
      loadMore: () => void this.inbox?.loadMore(this.type),
      filter: (name) => this.show({ type: name }),
      searchFor: (text) => (this.search = text),
      setPreference: (name, channel, on) => this.save(this.inbox?.preferences.set(name, channel, on)),
      loadPreferences: () => this.loadPreferences(),
    };
  }

  private texts(): { strings: Strings; locale: string } {
    const locale = localeOf(this.locale);
    return { strings: { ...stringsOf(locale), ...this.strings }, locale };
  }

  private direction(): string | typeof nothing {
    return this.locale ? directionOf(localeOf(this.locale)) : nothing;
  }

  private get isShown(): boolean {
    return this.isOpen || this.mode === "page";
  }

  private get panel(): HTMLElement | null {
    return this.renderRoot.querySelector<HTMLElement>(".panel");
  }

  private entries(): readonly Entry[] {
    if (!this.inbox || this.tab === "preferences") return [];
    return entriesOf(this.inbox.getSnapshot(), { status: this.tab, type: this.type });
  }

  /** Use the client that the properties name; keep the one in use if it is the same recipient's. */
  private attach(): void {
    if (!this.isConnected) return;
    const own = this.baseUrl && (this.getToken ?? this.token);
    const key = own ? `${this.baseUrl} ${this.getToken ? "" : (recipientOf(this.token) ?? this.token)}` : "";
    if (this.inbox && (this.client ? this.client === this.inbox : key === this.inboxKey)) return;
    this.detach();
    if (!this.client && !own) return;
    const getToken: GetToken = () => this.getToken?.() ?? Promise.resolve(this.token);
    this.inbox = this.client ?? new InboxClient({ baseUrl: this.baseUrl, getToken });
    this.inboxKey = this.client ? "" : key;
    this.unsubscribe = [
      this.inbox.subscribe(() => this.onChange()),
      this.inbox.preferences.subscribe(() => this.requestUpdate()),
      this.inbox.onArrival((entries) => this.onArrival(entries)),
    ];
    this.inbox.start();
  }

  private detach(): void {
    for (const end of this.unsubscribe) end();
    this.unsubscribe = [];
    if (this.inboxKey) this.inbox?.stop();
    this.inbox = null;
    this.inboxKey = "";
    this.origin = null;
    this.announcer.clear();
  }

  private onChange(): void {
    const { unreadCount: count, counts, ready } = this.inbox?.getSnapshot() ?? EMPTY;
    if (ready && count !== this.count) {
      this.count = count;
      this.fire("tocsin-count", { count, counts: { ...counts } });
    }
    this.requestUpdate();
  }

  private onArrival(entries: readonly Entry[]): void {
    this.announcer.add(entries);
    this.renderRoot.querySelector(".bell")?.classList.add("rings");
  }

  private endRing(event: Event): void {
    (event.currentTarget as Element).classList.remove("rings");
  }

  private onBeforeToggle(event: ToggleEvent): void {
    this.hadFocus = this.panel?.matches(":focus-within") ?? false;
    if (event.newState !== "open") return;
    this.isOpen = true;
    const bell = this.renderRoot.querySelector<HTMLElement>(".bell");
    if (bell && this.panel) placeBeside(bell, this.panel);
  }

  private async onToggle(event: ToggleEvent): Promise<void> {
    this.fire("tocsin-open", { open: event.newState === "open" });
    if (event.newState !== "open") {
      this.isOpen = false;
      this.show({ type: "" });
      // Escape and the close button leave the focus in what is hidden now; a click elsewhere has moved it already.
      const { activeElement } = document;
      const isLeft = activeElement === document.body || activeElement === this;
      if (this.hadFocus && isLeft) this.renderRoot.querySelector<HTMLElement>(".bell")?.focus();
      return;
    }
    await this.updateComplete;
    this.renderRoot.querySelector<HTMLElement>("#title")?.focus();
  }

  private onTabKey(event: KeyboardEvent): void {
    const isRtl = getComputedStyle(event.currentTarget as Element).direction === "rtl";
    const steps: Record<string, number> = { ArrowRight: isRtl ? -1 : 1, ArrowLeft: isRtl ? 1 : -1 };
    const at = TABS.indexOf(this.tab);
    const next = { Home: 0, End: TABS.length - 1 }[event.key] ?? (event.key in steps ? at + (steps[event.key] ?? 0) : -2);
    const tab = next === -2 ? undefined : TABS.at(next % TABS.length);
    if (!tab) return;
    event.preventDefault();
    this.select(tab);
    this.renderRoot.querySelector<HTMLElement>(`#tab-${tab}`)?.focus();
  }

  private select(tab: Tab): void {
    this.show({ tab, type: "" });
  }

  /** Show another list from its beginning. */
  private show(change: { tab?: Tab; type?: string }): void {
    Object.assign(this, change);
    this.search = "";
    this.origin = null;
    this.chunks.reset();
    this.renderRoot.querySelector(".scroll")?.scrollTo(0, 0);
  }

  private openEntry(entry: Entry, event: Event): void {
    if (event instanceof MouseEvent && event.type === "auxclick" && event.button !== 1) return;
    const follows = this.fire("tocsin-entry-click", { entry });
    if (!follows) {
      event.preventDefault();
      this.close();
    }
    void this.markRead(entry);
  }

  private async markRead(entry: Entry): Promise<void> {
    const rows = (): Element[] => [...this.renderRoot.querySelectorAll(".entry")];
    const at = rows().findIndex((row) => row.matches(":focus-within"));
    if (entry.readMs === null) this.save(this.inbox?.markRead([entry.id]));
    await new Promise(requestAnimationFrame);
    await this.updateComplete;
    // The row or its button is gone: the focus would fall to the beginning of the page.
    if (at < 0 || !this.isShown || this.shadowRoot?.activeElement) return;
    const row = rows()[Math.min(at, rows().length - 1)];
    (row?.querySelector<HTMLElement>(".mark") ?? row?.querySelector<HTMLElement>(".line") ?? this.panel?.querySelector<HTMLElement>("#title"))?.focus();
  }

  private markAllRead(): void {
    this.save(this.inbox?.markAllRead(this.type ? [this.type] : []));
  }

  private save(saving: Promise<void> | undefined): void {
    this.saveFailed = false;
    saving?.catch(() => (this.saveFailed = true));
  }

  private loadPreferences(): void {
    void this.inbox?.preferences.load(this.texts().locale);
  }

  private fire(name: string, detail: object): boolean {
    return this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true, cancelable: true }));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "tocsin-inbox": TocsinInbox;
  }
}
