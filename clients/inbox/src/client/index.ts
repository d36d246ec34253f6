export { InboxClient, type InboxClientOptions } from "./inbox-client.js";
export { InboxError } from "./errors.js";
export type { Connection, Entry, InboxState, Listing } from "./model.js";
export { isOn, Preferences } from "./preferences.js";
export type { ChannelPreference, PreferencesState, TypePreferences } from "./preferences.js";
export type { GetToken } from "./token.js";
export type { Platform } from "./platform.js";
export { entriesOf, type EntryFilter } from "./selectors.js";
