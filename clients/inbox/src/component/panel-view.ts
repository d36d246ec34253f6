import { html, nothing, type TemplateResult } from "lit";
import { CHECK_ALL, CLOSE, OFFLINE, WARNING } from "./icons.js";
import { listView } from "./list-view.js";
import { preferencesView } from "./preferences-view.js";
import { TABS, type View } from "./view.js";

/** Return what is in the panel: title, tabs, notices, and the chosen view. */
export function panelView(view: View): TemplateResult {
  const { strings, state, tab, type } = view;
  const isList = tab !== "preferences";
  const markable = type ? (state.counts[type] ?? 0) : state.unreadCount;
  return html`
    <header part="header">
      <h2 id="title" part="title" tabindex="-1">${strings.title}</h2>
      ${isList
        ? html`<button class="icon" part="mark-all" type="button" aria-label=${strings.markAllRead} title=${strings.markAllRead}
            aria-disabled=${!markable} @click=${view.markAllRead}>${CHECK_ALL}</button>`
        : nothing}
      ${view.close
        ? html`<button class="icon" part="close" type="button" aria-label=${strings.close} title=${strings.close} @click=${view.close}>${CLOSE}</button>`
        : nothing}
    </header>
    ${tabs(view)} ${notice(view)}
    <div class="scroll" part="view" id="view" role="tabpanel" aria-labelledby="tab-${tab}" tabindex="-1">
      ${isList ? listView(view) : preferencesView(view)}
    </div>
    ${view.saveFailed
      ? html`<div class="notice error foot" part="notice" role="alert">${WARNING}<span>${strings.saveFailed}</span>
          <button class="icon" type="button" aria-label=${strings.close} @click=${view.dismiss}>${CLOSE}</button></div>`
      : nothing}
  `;
}

function tabs({ strings, locale, state: { unreadCount }, tab: chosen, select, onTabKey }: View): TemplateResult {
  const number = new Intl.NumberFormat(locale).format(unreadCount);
  return html`<div role="tablist" part="tabs" aria-label=${strings.views} @keydown=${onTabKey}>
    ${TABS.map((tab) => html`<button role="tab" part="tab" type="button" id="tab-${tab}" aria-controls="view"
      aria-selected=${tab === chosen} tabindex=${tab === chosen ? 0 : -1} @click=${() => select(tab)}>${strings[tab]}${
        tab === "unread" && unreadCount ? html`<span class="number">${number}</span>` : nothing}</button>`)}
  </div>`;
}

function notice({ state: { connection }, strings, reconnect }: View): TemplateResult | typeof nothing {
  if (connection === "offline") {
    return html`<div class="notice offline" part="notice" role="status">${OFFLINE}<span>${strings.offline}</span></div>`;
  }
  if (connection !== "error") return nothing;
  return html`<div class="notice error" part="notice" role="alert">${WARNING}<span>${strings.loadFailed}</span>
    <button class="text-button" type="button" @click=${reconnect}>${strings.retry}</button></div>`;
}
