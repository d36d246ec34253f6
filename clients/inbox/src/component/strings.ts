/** A text; one with `{n}` may have a form for each plural category of its language. */
export type Text = string | ({ readonly other: string } & Partial<Record<Intl.LDMLPluralRule, string>>);

/** Every text of the component. `{n}` is a number, other names in braces are explained where they occur. */
export interface Strings {
  readonly title: string;
  /** The label of the bell, with the number of unread entries. */
  readonly bell: Text;
  readonly bellNone: string;
  /** The name of the tab list. */
  readonly views: string;
  readonly unread: string;
  readonly all: string;
  readonly preferences: string;
  readonly markRead: string;
  readonly markAllRead: string;
  readonly close: string;
  readonly filter: string;
  readonly allTypes: string;
  readonly emptyUnread: string;
  readonly emptyUnreadHint: string;
  readonly emptyAll: string;
  readonly emptyAllHint: string;
  readonly loading: string;
  readonly loadMore: string;
  readonly retry: string;
  readonly offline: string;
  readonly loadFailed: string;
  readonly saveFailed: string;
  /** What a screen reader says when entries arrive; `{line}` is the text of a single one. */
  readonly arrived: Text;
  readonly preferencesHint: string;
  readonly search: string;
  readonly noMatch: string;
  /** Where email goes: `{address}`, masked. */
  readonly address: string;
  /** Names of channels and domains of types; one that is missing is shown as the API names it. */
  readonly channels: Readonly<Record<string, string>>;
  readonly domains: Readonly<Record<string, string>>;
  /** How often email comes: `instant`, `hourly`, `daily` and `weekly`. */
  readonly frequencies: Readonly<Record<string, string>>;
}

const EN: Strings = {
  title: "Notifications",
  bell: "Notifications, {n} unread",
  bellNone: "Notifications, none unread",
  views: "Views",
  unread: "Unread",
  all: "All",
  preferences: "Preferences",
  markRead: "Mark as read",
  markAllRead: "Mark all as read",
  close: "Close",
  filter: "Type",
  allTypes: "All types",
  emptyUnread: "You’re all caught up",
  emptyUnreadHint: "New notifications appear here as they happen.",
  emptyAll: "No notifications yet",
  emptyAllHint: "When something happens, you’ll see it here.",
  loading: "Loading",
  loadMore: "Show older",
  retry: "Try again",
  offline: "No connection. This list may be out of date.",
  loadFailed: "Notifications cannot be loaded at the moment.",
  saveFailed: "That could not be saved. Please try again.",
  arrived: { one: "New notification: {line}", other: "{n} new notifications" },
  preferencesHint: "Choose how each kind of notification reaches you.",
  search: "Search types",
  noMatch: "No type matches.",
  address: "Email goes to {address}.",
  channels: { email: "Email", inbox: "Inbox" },
  domains: { account: "Account", auction: "Auctions", group: "Groups" },
  frequencies: { instant: "at once", hourly: "once an hour", daily: "once a day", weekly: "once a week" },
};

const DE: Strings = {
  title: "Benachrichtigungen",
  bell: "Benachrichtigungen, {n} ungelesen",
  bellNone: "Benachrichtigungen, keine ungelesen",
  views: "Ansichten",
  unread: "Ungelesen",
  all: "Alle",
  preferences: "Einstellungen",
  markRead: "Als gelesen markieren",
  markAllRead: "Alle als gelesen markieren",
  close: "Schließen",
  filter: "Art",
  allTypes: "Alle Arten",
  emptyUnread: "Alles gelesen",
  emptyUnreadHint: "Neue Benachrichtigungen erscheinen hier sofort.",
  emptyAll: "Noch keine Benachrichtigungen",
  emptyAllHint: "Sobald etwas geschieht, sehen Sie es hier.",
  loading: "Wird geladen",
  loadMore: "Ältere anzeigen",
  retry: "Erneut versuchen",
  offline: "Keine Verbindung. Die Liste ist vielleicht nicht aktuell.",
  loadFailed: "Benachrichtigungen können gerade nicht geladen werden.",
  saveFailed: "Das konnte nicht gespeichert werden. Bitte versuchen Sie es erneut.",
  arrived: { one: "Neue Benachrichtigung: {line}", other: "{n} neue Benachrichtigungen" },
  preferencesHint: "Wählen Sie, wie Sie benachrichtigt werden.",
  search: "Arten suchen",
  noMatch: "Keine Art passt.",
  address: "E-Mails gehen an {address}.",
  channels: { email: "E-Mail", inbox: "Inbox" },
  domains: { account: "Konto", auction: "Auktionen", group: "Gruppen" },
  frequencies: { instant: "sofort", hourly: "einmal pro Stunde", daily: "einmal am Tag", weekly: "einmal pro Woche" },
};

const languages = new Map<string, Strings>([
  ["en", EN],
  ["de", DE],
]);

/** Add a language, or replace one; `language` is its code, as `fr` or `pt-BR`. Texts that are missing are English. */
export function addLanguage(language: string, strings: Partial<Strings>): void {
  languages.set(language.toLowerCase(), { ...EN, ...strings });
}

/** Return the texts of a locale, of its language, or in English. */
export function stringsOf(locale: string): Strings {
  const name = locale.toLowerCase();
  return languages.get(name) ?? languages.get(name.split("-")[0] ?? "") ?? EN;
}

/** Return a text with its values filled in; a number `n` chooses the plural form. */
export function fill(text: Text, locale: string, values: Readonly<Record<string, string | number>>): string {
  const n = Number(values["n"] ?? 0);
  const form = typeof text === "string" ? text : (text[new Intl.PluralRules(locale).select(n)] ?? text.other);
  return form.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return typeof value === "number" ? new Intl.NumberFormat(locale).format(value) : (value ?? whole);
  });
}

/** Return what a channel or a domain is called. */
export function nameIn(names: Readonly<Record<string, string>>, name: string): string {
  return (Object.hasOwn(names, name) && names[name]) || readable(name);
}

/** Return a readable form of a name of the API, as `chat_ongoing`, that has no text. */
export function readable(name: string): string {
  const words = name.replaceAll("_", " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
