// A program of a user of the API, with types made of the OpenAPI document. It is compiled, not run.
import type { components, operations, paths } from "./api";

type Json<Operation extends keyof operations, Status extends keyof operations[Operation]["responses"], Type extends string> =
  operations[Operation]["responses"][Status] extends { content: Record<Type, infer Body> } ? Body : never;

type Counts = Json<"get_counts", 200, "application/vnd.api+json">;
type Entries = Json<"list_notifications", 200, "application/vnd.api+json">;
type Explanation = Json<"explain_deliveries", 200, "application/json">;
type Patch = NonNullable<operations["patch_recipient"]["requestBody"]>["content"]["application/merge-patch+json"];

export function unread(counts: Counts): number {
  return counts.data.reduce((sum, count) => sum + count.attributes.count, 0);
}

export function lotOf(entries: Entries): unknown {
  return entries.data[0]?.attributes.meta["lot_id"];
}

export function states(explanation: Explanation): components["schemas"]["State"][] {
  return explanation.events.flatMap((event) => event.deliveries.map((delivery) => delivery.state));
}

export const reset: Patch = { preferences: { overbid: { email: null } }, name: null };
export const event: components["schemas"]["CloudEvent"] = { id: "1", source: "/shop", type: "overbid", data: { lot_id: "7" } };
export const listing: keyof paths = "/notifications";
export const query: operations["list_notifications"]["parameters"]["query"] = { "filter[status]": "all", "page[size]": 20 };

/** Return the entries of an event of the live inbox, or the identifiers of those that it is about. */
export function entriesOf(event: components["schemas"]["InboxEvent"]): { id: string }[] {
  switch (event.event) {
    case "snapshot":
      return (JSON.parse(event.data) as components["schemas"]["UnreadEntries"]).data;
    case "new":
      return [(JSON.parse(event.data) as components["schemas"]["NewNotification"]).data];
    case "read":
    case "removed":
      return (JSON.parse(event.data) as components["schemas"]["NotificationIds"]).data;
    case "counts":
      return [];
  }
}

// @ts-expect-error: a status that does not exist is an error
export const wrong: operations["list_notifications"]["parameters"]["query"] = { "filter[status]": "old" };
// @ts-expect-error: an event without a source is an error
export const incomplete: components["schemas"]["CloudEvent"] = { id: "1", type: "overbid" };
