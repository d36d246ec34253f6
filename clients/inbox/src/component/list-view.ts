import { html, nothing, type TemplateResult } from "lit";
import { guard } from "lit/directives/guard.js";
import { repeat } from "lit/directives/repeat.js";
import type { Entry } from "../client/model.js";
import { entriesOf } from "../client/selectors.js";
import { chunksOf, type Chunk } from "./chunks.js";
import { BELL, CHECK } from "./icons.js";
import { fullTime, relativeTime } from "./locale.js";
import type { View } from "./view.js";

/** Return the filter and the list of one of the tabs. */
export function listView(view: View): TemplateResult | typeof nothing {
  const { state, tab, type } = view;
  const status = tab === "unread" ? "unread" : "all";
  const entries = entriesOf(state, { status, type });
  const listing = status === "all" ? state.listings[type] : undefined;
  const isLoading = status === "all" ? !listing || listing.loading : !state.ready;
  if (!entries.length) return isLoading && !listing?.error ? skeleton(view) : html`${filter(view)}${end(view)}`;
  const chunks = chunksOf(entries, view.origin);
  return html`
    ${filter(view)}
    <div role="list" aria-label=${view.strings[tab]} aria-busy=${isLoading}>
      ${repeat(chunks, ({ key }) => key, (chunk) => {
        const { chunks: window, strings, locale, preferences, nowMs } = view;
        const parts = [chunk, window.isRendered(chunk), strings, locale, preferences, nowMs];
        return guard(parts, () => chunkView(view, chunk, entries.length));
      })}
    </div>
    ${end(view)}
  `;
}

/** Return a chunk's entries, or a gap of their height; a property, since a page may forbid attributes of style. */
function chunkView(view: View, chunk: Chunk, count: number): TemplateResult {
  const isRendered = view.chunks.isRendered(chunk);
  return html`<div class="chunk" role="none" data-key=${chunk.key} .style=${isRendered ? "" : `block-size:${view.chunks.heightPx(chunk)}px`}>
    ${isRendered
      ? repeat(chunk.entries, ({ id }) => id, (entry, at) => entryView(view, entry, chunk.start + at + 1, count))
      : nothing}
  </div>`;
}

function entryView(view: View, entry: Entry, place: number, count: number): TemplateResult {
  const { strings, locale, nowMs } = view;
  const isUnread = entry.readMs === null;
  const open = (event: Event): void => view.openEntry(entry, event);
  // A line has its own direction, also by control characters, which must not reach what is beside it.
  const text = html`<bdi>${textOf(view, entry)}</bdi>`;
  return html`<div class="entry ${isUnread ? "unread" : ""}" part="entry ${isUnread ? "entry-unread" : ""}"
    role="listitem" aria-posinset=${place} aria-setsize=${count}>
    <span class="dot" part="dot"></span>
    <div class="body">
      ${entry.link
        ? html`<a class="line" part="line" href=${entry.link} rel="noopener" @click=${open} @auxclick=${open}>${text}</a>`
        : html`<button class="line" part="line" type="button" @click=${open}>${text}</button>`}
      <div class="about" part="about">
        ${isUnread ? html`<span class="hidden-text">${strings.unread}</span>` : nothing}
        <span><bdi>${view.titleOf(entry.type)}</bdi></span><span aria-hidden="true">·</span>
        ${Number.isNaN(entry.createdMs)
          ? nothing
          : html`<time datetime=${new Date(entry.createdMs).toISOString()} title=${fullTime(entry.createdMs, locale)}>${relativeTime(entry.createdMs, nowMs, locale)}</time>`}
      </div>
    </div>
    ${isUnread
      ? html`<button class="icon mark" part="mark" type="button" aria-label="${strings.markRead}: ${textOf(view, entry).slice(0, 80)}"
          title=${strings.markRead} @click=${() => view.markRead(entry)}>${CHECK}</button>`
      : nothing}
  </div>`;
}

function textOf(view: View, entry: Entry): string {
  return entry.line.trim() || view.titleOf(entry.type);
}

/** Return the choice of a type, unless the list has only one. */
function filter(view: View): TemplateResult | typeof nothing {
  const { state, tab } = view;
  const types = tab === "unread" ? Object.keys(state.counts) : [...new Set(state.entries.map(({ type }) => type))];
  if (view.type && !types.includes(view.type)) types.push(view.type);
  if (types.length < 2) return nothing;
  const options = types.map((type) => [type, view.titleOf(type)] as const);
  options.sort(([, a], [, b]) => a.localeCompare(b, view.locale));
  return html`<div class="filter" part="filter">
    <select aria-label=${view.strings.filter} @change=${(event: Event) => view.filter((event.target as HTMLSelectElement).value)}>
      <option value="" ?selected=${!view.type}>${view.strings.allTypes}</option>
      ${options.map(([type, title]) => html`<option value=${type} ?selected=${type === view.type}>${title}</option>`)}
    </select>
  </div>`;
}

/** Return what follows the last entry: older ones, or why there are none. */
function end(view: View): TemplateResult | typeof nothing {
  const { state, tab, type, strings } = view;
  const isEmpty = !entriesOf(state, { status: tab === "unread" ? "unread" : "all", type }).length;
  const listing = state.listings[type];
  if (tab === "all" && listing?.error) {
    return html`<div class="more"><span>${strings.loadFailed}</span>
      <button class="text-button" type="button" @click=${view.loadMore}>${strings.retry}</button></div>`;
  }
  if (tab === "all" && !listing?.complete) {
    return html`<div class="more" id="more">
      <button class="text-button" type="button" aria-disabled=${Boolean(listing?.loading)} @click=${view.loadMore}>
        ${listing?.loading ? strings.loading : strings.loadMore}</button></div>`;
  }
  return isEmpty ? empty(view) : nothing;
}

function empty({ tab, strings }: View): TemplateResult {
  const [title, hint] =
    tab === "unread" ? [strings.emptyUnread, strings.emptyUnreadHint] : [strings.emptyAll, strings.emptyAllHint];
  return html`<div class="empty" part="empty"><span class="picture">${tab === "unread" ? CHECK : BELL}</span><strong>${title}</strong><span>${hint}</span></div>`;
}

function skeleton({ strings, state }: View): TemplateResult | typeof nothing {
  if (state.connection === "error" || state.connection === "offline") return nothing; // a notice says why
  return html`<div aria-busy="true"><span class="hidden-text">${strings.loading}</span>${[88, 64, 78, 70].map(
    (percent) => html`<div class="entry skeleton" aria-hidden="true"><span class="dot"></span>
      <div class="body"><div class="bone" .style=${`inline-size:${percent}%`}></div><div class="bone short"></div></div></div>`,
  )}</div>`;
}
