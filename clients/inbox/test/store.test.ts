import assert from "node:assert/strict";
import { test } from "node:test";
import { webLink, type Entry } from "../src/client/model.js";
import { entriesOf } from "../src/client/selectors.js";
import { InboxStore } from "../src/client/store.js";

const NOW_MS = 1_000_000;

function store(...unread: string[]): InboxStore {
  const made = new InboxStore(() => NOW_MS);
  made.replaceUnread(unread.map((id, at) => entry(id, at * 1000)));
  return made;
}

function entry(id: string, createdMs = 0, fields: Partial<Entry> = {}): Entry {
  return { id, type: "overbid", line: "", link: null, meta: {}, createdMs, readMs: null, ...fields };
}

function send(to: InboxStore, name: string, data: unknown, id = ""): Entry[] {
  return to.apply({ name, id, data: JSON.stringify({ data }) });
}

function wire(id: string, createdMs = 0, type = "overbid") {
  const attributes = { type: 6, type_str: type, meta: {}, created_at: new Date(createdMs).toISOString() };
  return { type: "notifications", id, attributes, meta: { line: id, link: "https://tocsin.test/" } };
}

function list(from: InboxStore, status: "unread" | "all" = "unread", type = ""): string {
  return entriesOf(from.snapshot(), { status, type }).map(({ id }) => id).join("");
}

function load(into: InboxStore, entries: Entry[], next: string | null = null, type = ""): void {
  into.beginPage(type)?.done(entries, next);
}

test("a snapshot is newest first, also within a second", () => {
  const made = new InboxStore(() => NOW_MS);
  assert.equal(made.snapshot().ready, false);
  send(made, "snapshot", [wire("a"), wire("b"), wire("c", 5000)]);
  assert.equal(list(made), "cba");
  assert.equal(made.snapshot().ready, true);
  assert.deepEqual({ ...made.snapshot().counts }, { overbid: 3 });
});

test("a change that is sent twice changes nothing", () => {
  const made = store("a");
  const changes: [string, unknown][] = [
    ["new", wire("b", 9000)],
    ["new", wire("c", 9000, "winner")],
    ["read", [{ id: "a" }]],
    ["removed", [{ id: "b" }]],
  ];
  for (const [name, data] of changes) send(made, name, data);
  assert.equal(list(made), "c");
  for (const [name, data] of changes.slice(2)) send(made, name, data);
  assert.deepEqual(send(made, "new", wire("c", 9000, "winner")), []);
  assert.equal(list(made), "c");
  assert.equal(made.snapshot().unreadCount, 1);
});

test("an entry that is read never becomes unread again", () => {
  const made = store("a");
  send(made, "read", [{ id: "a" }]);
  assert.deepEqual(send(made, "new", wire("a")), []);
  load(made, [entry("a")]);
  assert.equal(list(made), "");
  assert.equal(list(made, "all"), "a");
});

test("the last event id is that of the last event that was applied", () => {
  const made = store();
  send(made, "new", wire("a"), "5");
  assert.throws(() => made.apply({ name: "new", id: "6", data: "{" }), SyntaxError);
  assert.equal(made.lastEventId, "5");
  send(made, "counts", [], "7");
  send(made, "something-later", [], "");
  assert.equal(made.lastEventId, "7");
});

test("the state is the same object until something changes", () => {
  const made = store("a");
  const state = made.snapshot();
  send(made, "counts", []);
  assert.equal(made.snapshot(), state);
  send(made, "new", wire("b", 1000));
  assert.notEqual(made.snapshot(), state);
  assert.equal(made.snapshot().entries[1], state.entries[0]);
});

test("a mark shows at once, and is taken away if the server refuses it", () => {
  const made = store("a", "b");
  const mark = made.mark({ ids: ["a", "unknown"] });
  assert.deepEqual([...mark.ids], ["a"]);
  assert.equal(list(made), "b");
  assert.equal(made.snapshot().entries[1]?.readMs, NOW_MS);
  mark.revert();
  assert.equal(list(made), "ba");
  assert.equal(made.snapshot().unreadCount, 2);
});

test("an event during a mark that is refused is not lost", () => {
  const made = store("a", "b");
  const mark = made.mark({ types: [] });
  send(made, "read", [{ id: "a" }]);
  send(made, "new", wire("c", 9000));
  assert.equal(list(made), "c");
  mark.revert();
  assert.equal(list(made), "cb");
});

test("two marks of an entry are independent", () => {
  const made = store("a");
  const [first, second] = [made.mark({ ids: ["a"] }), made.mark({ types: ["overbid"] })];
  assert.equal(second.ids.size, 0);
  second.confirm();
  first.revert();
  assert.equal(list(made), "a");
});

test("a type's entries are marked without the others", () => {
  const made = store("a");
  send(made, "new", wire("w", 9000, "winner"));
  made.mark({ types: ["winner"] }).confirm();
  assert.equal(list(made), "a");
});

test("a list of all entries ends where it has been loaded to", () => {
  const made = store("a", "b", "c", "d"); // seconds 0 to 3
  assert.equal(list(made, "all"), "");
  load(made, [entry("d", 3000), entry("x", 2500, { readMs: 1 })], "next");
  assert.equal(list(made, "all"), "dx");
  const page = made.beginPage("");
  assert.equal(page?.cursor, "next");
  assert.equal(made.beginPage(""), null, "one page at a time");
  page?.done([entry("c", 2000), entry("y", 500, { readMs: 1 })], null);
  assert.equal(list(made, "all"), "dxcbya");
  assert.equal(made.beginPage(""), null, "there is no further page");
});

test("listings of types have pages of their own", () => {
  const made = store("a", "b");
  load(made, [entry("b", 1000)], "2");
  load(made, [entry("w", 500, { type: "winner", readMs: 1 })], null, "winner");
  assert.equal(list(made, "all"), "b");
  assert.equal(list(made, "all", "winner"), "w");
});

test("a snapshot replaces: what is missing is gone, and listings are loaded again", () => {
  const made = store("a", "b");
  load(made, [entry("b", 1000), entry("x", 500, { readMs: 1 }), entry("a", 0)], null);
  const late = made.beginPage("winner");
  made.replaceUnread([entry("b", 1000), entry("c", 2000)]);
  late?.done([entry("late", 0, { type: "winner" })], null);
  assert.equal(list(made), "cb", "the page from before the snapshot is ignored");
  assert.deepEqual(made.stale(), ["", "winner"]);
  const page = made.beginPage("");
  assert.equal(page?.count, 3);
  page?.done([entry("c", 2000), entry("b", 1000), entry("a", 0, { readMs: 2 })], null);
  assert.equal(list(made, "all"), "cba", "x has been removed, a has been read");
  assert.deepEqual(made.stale(), ["winner"]);
});

test("a page that fails can be loaded again", () => {
  const made = store("a");
  made.beginPage("")?.fail(new Error("no"));
  assert.equal(made.snapshot().listings[""]?.error?.message, "no");
  load(made, [entry("a")]);
  assert.equal(made.snapshot().listings[""]?.error, null);
});

test("ten thousand entries are marked and shown again together", () => {
  const ids = Array.from({ length: 10_000 }, (_, at) => `${at}`);
  const made = store(...ids);
  for (let at = 0; at < 20; at++) {
    send(made, "new", wire(`new ${at}`, 1e9));
    made.snapshot();
  }
  made.mark({ ids }).revert();
  assert.equal(made.snapshot().unreadCount, 10_020);
});

test("only addresses of the web are links", () => {
  assert.equal(webLink("https://tocsin.test/lots/1"), "https://tocsin.test/lots/1");
  assert.equal(webLink("http://tocsin.test"), "http://tocsin.test/");
  for (const link of ["javascript:alert(1)", " java\nscript:alert(1)", "data:text/html,x", "/lots/1", "//x.test", "", null, undefined]) {
    assert.equal(webLink(link), null, `${link}`);
  }
});

test("type names are no properties of objects", () => {
  const made = store();
  send(made, "new", wire("a", 0, "__proto__"));
  send(made, "new", wire("b", 0, "constructor"));
  assert.equal(made.snapshot().unreadCount, 2);
  assert.equal(made.snapshot().counts["constructor"], 1);
});
