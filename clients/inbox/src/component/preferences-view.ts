import { html, nothing, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import { isOn, type ChannelPreference, type Frequency, type TypePreferences } from "../client/preferences.js";
import { LOCK, WARNING } from "./icons.js";
import { nameIn } from "./strings.js";
import type { View } from "./view.js";

/** Return the preferences: a row for each type, by domain, with a switch for each channel. */
export function preferencesView(view: View): TemplateResult {
  const { preferences, strings, search, locale } = view;
  if (preferences.status === "error" && !preferences.types.length) {
    return html`<div class="more"><span>${strings.loadFailed}</span>
      <button class="text-button" type="button" @click=${view.loadPreferences}>${strings.retry}</button></div>`;
  }
  if (preferences.status !== "ready" && !preferences.types.length) {
    return html`<div class="preferences" aria-busy="true"><span class="hidden-text">${strings.loading}</span>
      ${[60, 80, 45, 70].map((percent) => html`<div class="preference" aria-hidden="true"><div class="name"><div class="bone" .style=${`inline-size:${percent}%`}></div></div></div>`)}</div>`;
  }
  const wanted = search.trim().toLocaleLowerCase(locale);
  const types = preferences.types.filter(({ title }) => title.toLocaleLowerCase(locale).includes(wanted));
  const domains = [...new Set(types.map(({ domain }) => domain))];
  return html`<div class="preferences" part="preferences">
    <p>${strings.preferencesHint} ${preferences.address ? strings.address.replace("{address}", () => preferences.address ?? "") : nothing}</p>
    <input class="search" type="search" placeholder=${strings.search} aria-label=${strings.search} .value=${search}
      @input=${(event: Event) => view.searchFor((event.target as HTMLInputElement).value)} />
    ${types.length ? nothing : html`<div class="more">${strings.noMatch}</div>`}
    ${domains.map((domain) => domainView(view, domain, types.filter((type) => type.domain === domain)))}
  </div>`;
}

function domainView(view: View, domain: string, types: readonly TypePreferences[]): TemplateResult {
  const { strings } = view;
  const channels = [...new Set(types.flatMap((type) => type.channels.map(({ channel }) => channel)))];
  return html`<section class="domain" aria-label=${nameIn(strings.domains, domain)}>
    <div class="domain-head">
      <h3>${nameIn(strings.domains, domain)}</h3>
      ${channels.map((channel) => html`<span class="channel" aria-hidden="true">${nameIn(strings.channels, channel)}</span>`)}
    </div>
    ${types.map((type) => preferenceView(view, type, channels))}
  </section>`;
}

function preferenceView(view: View, type: TypePreferences, channels: readonly string[]): TemplateResult {
  const reasons = new Set(type.channels.map(({ detail }) => detail).filter(Boolean));
  const id = (suffix: string): string => `${suffix}-${type.type}`;
  return html`<div class="preference" part="preference" role="group" aria-labelledby=${id("name")}>
    <div class="name">
      <bdi id=${id("name")}>${type.title}</bdi>
      ${reasons.size ? html`<div class="why" id=${id("why")}>${LOCK}<span>${[...reasons].join(" ")}</span></div>` : nothing}
      ${type.channels.map(({ blocked, channel }) =>
        blocked ? html`<div class="why blocked" id=${id(`blocked-${channel}`)}>${WARNING}<bdi>${blocked.detail}</bdi></div>` : nothing,
      )}
      ${type.channels.map((cell) => (cell.frequency && isOn(cell) ? frequencyView(view, type, cell) : nothing))}
    </div>
    ${channels.map((channel) => {
      const cell = type.channels.find((one) => one.channel === channel);
      return cell ? switchView(view, type, cell) : html`<span class="channel"></span>`;
    })}
  </div>`;
}

const FREQUENCIES: readonly Frequency[] = ["instant", "hourly", "daily", "weekly"];

function frequencyView({ strings, setPreference }: View, { type }: TypePreferences, { channel, frequency }: ChannelPreference): TemplateResult {
  const choose = ({ target }: Event): void => setPreference(type, channel, true, (target as HTMLSelectElement).value as Frequency);
  return html`<label class="often">${nameIn(strings.channels, channel)}
    <select part="frequency" @change=${choose}>${FREQUENCIES.map(
      (one) => html`<option value=${one} .selected=${live(one === frequency)}>${nameIn(strings.frequencies, one)}</option>`,
    )}</select></label>`;
}

function switchView(view: View, { type }: TypePreferences, cell: ChannelPreference): TemplateResult {
  const { channel, mandatory, blocked } = cell;
  const descriptions = [mandatory ? `why-${type}` : "", blocked ? `blocked-${channel}-${type}` : ""].filter(Boolean);
  const toggle = (): void => {
    if (!mandatory) view.setPreference(type, channel, !isOn(cell));
  };
  return html`<button class="switch" part="switch" type="button" role="switch" aria-checked=${isOn(cell)} aria-disabled=${mandatory}
    aria-label=${nameIn(view.strings.channels, channel)} aria-describedby=${descriptions.join(" ") || nothing} @click=${toggle}><span></span></button>`;
}
