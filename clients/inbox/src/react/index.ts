import { createComponent, type EventName } from "@lit/react";
import * as React from "react";
import type { Entry, InboxState } from "../client/model.js";
import type { InboxClient } from "../client/inbox-client.js";
import { TocsinInbox as Element } from "../index.js";

/** `<TocsinInbox baseUrl getToken onEntryClick … />`: the web component, with typed properties and events. */
export const TocsinInbox = createComponent({
  react: React,
  tagName: "tocsin-inbox",
  elementClass: Element,
  events: {
    onOpen: "tocsin-open" as EventName<CustomEvent<{ open: boolean }>>,
    onEntryClick: "tocsin-entry-click" as EventName<CustomEvent<{ entry: Entry }>>,
    onCount: "tocsin-count" as EventName<CustomEvent<{ count: number; counts: Record<string, number> }>>,
  },
});

/** Return the state of a client, and render again when it changes. */
export function useInbox(client: InboxClient): InboxState {
  return React.useSyncExternalStore(client.subscribe, client.getSnapshot, client.getSnapshot);
}
