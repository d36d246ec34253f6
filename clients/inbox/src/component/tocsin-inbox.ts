import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import type { InboxClient } from "../client/inbox-client.js";
import type { Entry } from "../client/model.js";
import { entriesOf } from "../client/selectors.js";
import type { GetToken } from "../client/token.js";
import { Announcer, sentenceOf } from "./announcer.js";
import { ChunkWindow } from "./chunks.js";
import { BELL } from "./icons.js";
import { InboxConnection } from "./inbox-connection.js";
import { directionOf, localeOf } from "./locale.js";
import { panelView } from "./panel-view.js";
import { placeBeside } from "./popover.js";
import { fill, readable, stringsOf, type Strings } from "./strings.js";
import { styles } from "./styles.js";
import { TABS, type Tab, type View } from "./view.js";

const MAX_BADGE = 99;
const TIMES_MS = 30_000;
const MORE_MARGIN = "600px 0px";

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

  private readonly inbox = new InboxConnection(() => this.onChange(), (entries) => this.onArrival(entries));
  private origin: Entry | null = null;
  private count = -1;
  private hadFocus = false;
  private lastTexts: { locale: string; own: Partial<Strings>; strings: Strings } | null = null;
  private clock: ReturnType<typeof setInterval> | undefined;
  private moreObserver: IntersectionObserver | null = null;
  private readonly chunks = new ChunkWindow(this);
  private readonly announcer = new Announcer((entries) => {
    const { strings, locale } = this.texts();
    const sentence = sentenceOf(entries, strings, locale);
    // A text that stays the same is not read out again.
    this.announcement = sentence === this.announcement ? `${sentence}\u00a0` : sentence;
  });

  constructor() {
    super();
    Object.assign(this, { baseUrl: "", token: "", getToken: null, locale: "", mode: "bell", theme: "auto" });
    Object.assign(this, { strings: {}, client: null, isOpen: false, tab: "unread", type: "", search: "" });
    Object.assign(this, { saveFailed: false, announcement: "" });
  }

  /** Return the number of unread entries. */
  get unreadCount(): number {
    return this.inbox.state.unreadCount;
  }

  /** Open the panel; nothing in the mode `page`, which always shows it. */
  open(): void {
    if (this.mode !== "page" && !this.isOpen) this.panel?.showPopover();
  }

  /** Close the panel. */
  close(): void {
    if (this.mode !== "page" && this.isOpen) this.panel?.hidePopover();
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
    this.announcer.clear();
    this.inbox.drop();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (this.isConnected && !this.inbox.use(this)) {
      this.count = -1;
      this.show({});
    }
    if (changed.has("token") && this.inbox.state.connection === "error") this.inbox.client?.reconnect();
    if (changed.get("locale") !== undefined) this.loadPreferences();
    this.origin ??= this.entries()[0] ?? null;
  }

  protected override updated(): void {
    const { client, state, preferences } = this.inbox;
    if (!this.isShown || !client) return;
    const root = this.mode === "page" ? null : this.find(".scroll");
    this.chunks.observe(this.renderRoot.querySelectorAll<HTMLElement>(".chunk"), root);
    if (this.tab === "all" && !state.listings[this.type]) void client.loadMore(this.type);
    if (preferences.status === "idle") this.loadPreferences();
    this.moreObserver?.disconnect();
    const more = this.find("#more");
    if (!more) return;
    const onSeen: IntersectionObserverCallback = (seen) => {
      if (seen.some((one) => one.isIntersecting)) void client.loadMore(this.type);
    };
    this.moreObserver = new IntersectionObserver(onSeen, { root, rootMargin: MORE_MARGIN });
    this.moreObserver.observe(more);
  }

  protected override render(): TemplateResult {
    const { strings, locale } = this.texts();
    const { unreadCount } = this.inbox.state;
    const label = unreadCount ? fill(strings.bell, locale, { n: unreadCount }) : strings.bellNone;
    const status = html`<div class="hidden-text" role="status">${this.announcement}</div>`;
    if (this.mode === "page") {
      return html`${status}<section class="panel" part="panel" aria-labelledby="title" dir=${this.direction()}>${panelView(this.view())}</section>`;
    }
    return html`${status}
      <button class="icon bell" part="bell" type="button" popovertarget="panel" aria-haspopup="dialog" aria-expanded=${this.isOpen}
        aria-label=${label} @animationend=${this.endRing}>
        ${BELL}${unreadCount ? html`<span class="badge" part="badge">${unreadCount > MAX_BADGE ? `${MAX_BADGE}+` : unreadCount}</span>` : nothing}
      </button>
      <div class="panel" part="panel" id="panel" popover role="dialog" aria-labelledby="title" dir=${this.direction()}
        @beforetoggle=${this.onBeforeToggle} @toggle=${this.onToggle}>${this.isOpen ? panelView(this.view()) : nothing}</div>`;
  }

  private view(): View {
    const { client, state, preferences } = this.inbox;
    const titles = new Map(preferences.types.map(({ type, title }) => [type, title]));
    const { tab, type, search, saveFailed, origin, chunks } = this;
    return {
      ...this.texts(),
      ...{ state, preferences, tab, type, search, saveFailed, origin, chunks },
      nowMs: Math.floor(Date.now() / TIMES_MS) * TIMES_MS,
      titleOf: (name) => titles.get(name) ?? readable(name),
      select: (chosen) => this.show({ tab: chosen, type: "" }),
      onTabKey: (event) => this.onTabKey(event),
      close: this.mode === "page" ? null : () => this.close(),
      reconnect: () => client?.reconnect(),
      dismiss: () => (this.saveFailed = false),
      openEntry: (entry, event) => this.openEntry(entry, event),
      markRead: (entry) => void this.markRead(entry),
      markAllRead: () => this.save(client?.markAllRead(type ? [type] : [])),
      loadMore: () => void client?.loadMore(type),
      filter: (name) => this.show({ type: name }),
      searchFor: (text) => (this.search = text),
      setPreference: (...choice) => this.save(client?.preferences.set(...choice)),
      loadPreferences: () => this.loadPreferences(),
    };
  }

  private texts(): { strings: Strings; locale: string } {
    const locale = localeOf(this.locale);
    const { strings } = this;
    if (this.lastTexts?.locale !== locale || this.lastTexts.own !== strings) {
      this.lastTexts = { locale, own: strings, strings: { ...stringsOf(locale), ...strings } };
    }
    return { locale, strings: this.lastTexts.strings };
  }

  private direction(): string | typeof nothing {
    return this.locale ? directionOf(localeOf(this.locale)) : nothing;
  }

  private get isShown(): boolean {
    return this.isOpen || this.mode === "page";
  }

  private get panel(): HTMLElement | null {
    return this.find(".panel");
  }

  private find(selector: string): HTMLElement | null {
    return this.renderRoot.querySelector<HTMLElement>(selector);
  }

  private entries(): readonly Entry[] {
    return this.tab === "preferences" ? [] : entriesOf(this.inbox.state, { status: this.tab, type: this.type });
  }

  private onChange(): void {
    const { unreadCount: count, counts, ready } = this.inbox.state;
    if (ready && count !== this.count) {
      this.count = count;
      this.fire("tocsin-count", { count, counts: { ...counts } });
    }
    this.requestUpdate();
  }

  private onArrival(entries: readonly Entry[]): void {
    this.announcer.add(entries);
    this.find(".bell")?.classList.add("rings");
  }

  private endRing(event: Event): void {
    (event.currentTarget as Element).classList.remove("rings");
  }

  private onBeforeToggle(event: ToggleEvent): void {
    this.hadFocus = this.panel?.matches(":focus-within") ?? false;
    if (event.newState !== "open") return;
    this.isOpen = true;
    const bell = this.find(".bell");
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
      if (this.hadFocus && isLeft) this.find(".bell")?.focus();
      return;
    }
    await this.updateComplete;
    this.find("#title")?.focus();
  }

  private onTabKey(event: KeyboardEvent): void {
    const isRtl = getComputedStyle(event.currentTarget as Element).direction === "rtl";
    const step = isRtl ? -1 : 1;
    const at = TABS.indexOf(this.tab);
    const next: Record<string, number> = { ArrowRight: at + step, ArrowLeft: at - step, Home: 0, End: -1 };
    const tab = event.key in next ? TABS.at((next[event.key] ?? 0) % TABS.length) : undefined;
    if (!tab) return;
    event.preventDefault();
    this.show({ tab, type: "" });
    this.find(`#tab-${tab}`)?.focus();
  }

  /** Show another list from its beginning. */
  private show(change: { tab?: Tab; type?: string }): void {
    Object.assign(this, change);
    this.search = "";
    this.origin = null;
    this.chunks.reset();
    this.find(".scroll")?.scrollTo(0, 0);
  }

  private openEntry(entry: Entry, event: Event): void {
    if (event instanceof MouseEvent && event.type === "auxclick" && event.button !== 1) return;
    if (!this.fire("tocsin-entry-click", { entry })) {
      event.preventDefault();
      this.close();
    }
    void this.markRead(entry);
  }

  private async markRead(entry: Entry): Promise<void> {
    const rows = (): Element[] => [...this.renderRoot.querySelectorAll(".entry")];
    const at = rows().findIndex((row) => row.matches(":focus-within"));
    if (entry.readMs === null) this.save(this.inbox.client?.markRead([entry.id]));
    await new Promise(requestAnimationFrame);
    await this.updateComplete;
    // The row or its button is gone: the focus would fall to the beginning of the page.
    if (at < 0 || !this.isShown || this.shadowRoot?.activeElement) return;
    const row = rows()[Math.min(at, rows().length - 1)];
    (row?.querySelector<HTMLElement>(".mark") ?? row?.querySelector<HTMLElement>(".line") ?? this.find("#title"))?.focus();
  }

  private save(saving: Promise<void> | undefined): void {
    this.saveFailed = false;
    saving?.catch(() => (this.saveFailed = true));
  }

  private loadPreferences(): void {
    void this.inbox.client?.preferences.load(this.texts().locale);
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
