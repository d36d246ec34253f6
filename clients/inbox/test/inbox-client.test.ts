import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { InboxClient, type InboxClientOptions } from "../src/client/inbox-client.js";
import { InboxError } from "../src/client/errors.js";
import { entriesOf } from "../src/client/selectors.js";
import { FakeApi, jwt } from "./fake-api.js";
import { FakeBrowser, until, type FakeTab } from "./fake-browser.js";

const ALICE = jwt({ sub: "alice" });
let api: FakeApi;
let browser: FakeBrowser;
let clients: InboxClient[];

beforeEach(async () => {
  api = new FakeApi();
  browser = new FakeBrowser();
  clients = [];
  await api.start();
});

afterEach(async () => {
  for (const client of clients) client.stop();
  await api.stop();
});

function open(tab: FakeTab = browser.tab(), options: Partial<InboxClientOptions> = {}): InboxClient {
  const client = new InboxClient({ baseUrl: api.url, getToken: () => Promise.resolve(ALICE), platform: tab, ...options });
  clients.push(client);
  client.start();
  return client;
}

function unread(client: InboxClient): string {
  return entriesOf(client.getSnapshot(), { status: "unread", type: "" }).map(({ id }) => id).join("");
}

async function shows(client: InboxClient, ids: string): Promise<void> {
  await until(() => unread(client) === ids, `${ids}, not ${unread(client)}`);
}

function opened(): number {
  return api.requests.filter((request) => request === "GET /v1/inbox/stream").length;
}

test("unread entries, then what changes", async () => {
  api.add("a");
  const client = open();
  const arrived: string[] = [];
  client.onArrival((entries) => arrived.push(...entries.map(({ id }) => id)));
  await shows(client, "a");
  assert.equal(client.getSnapshot().connection, "live");
  api.add("b");
  api.add("c", "winner");
  await shows(client, "cba");
  api.read("a");
  api.remove("b");
  await shows(client, "c");
  assert.deepEqual({ ...client.getSnapshot().counts }, { winner: 1 });
  assert.deepEqual(arrived, ["b", "c"]);
});

test("changes that are sent again change nothing", async () => {
  const client = open();
  await until(() => client.getSnapshot().ready);
  let arrivals = 0;
  client.onArrival((entries) => (arrivals += entries.length));
  api.add("a");
  api.add("b");
  api.read("a");
  api.repeat(3);
  api.add("c");
  await shows(client, "cb");
  assert.equal(arrivals, 3);
});

for (const [name, end] of [
  ["ends", () => api.endStreams()],
  ["is cut", () => api.cutStreams()],
] as const) {
  test(`a stream that ${name} resumes after the last event`, async () => {
    const client = open();
    await until(() => client.getSnapshot().ready && api.openStreams === 1);
    api.isSilent = true; // what happens now is lost with the connection
    api.add("a");
    end();
    api.isSilent = false;
    await shows(client, "a");
    assert.equal(opened(), 2);
  });
}

test("a server that restarts, and one that has forgotten", async () => {
  api.add("a");
  const client = open();
  await shows(client, "a");
  await client.loadMore();
  await api.stop();
  await until(() => client.getSnapshot().connection === "offline");
  api.read("a");
  api.add("b");
  api.forget();
  await api.start();
  await shows(client, "b");
  await until(() => entriesOf(client.getSnapshot(), { status: "all", type: "" }).length === 2);
});

test("without a network nothing is requested until it is back", async () => {
  const tab = browser.tab();
  const client = open(tab);
  await until(() => client.getSnapshot().connection === "live");
  tab.set({ online: false });
  await until(() => client.getSnapshot().connection === "offline" && api.openStreams === 0);
  api.add("a");
  const before = opened();
  tab.set({ visible: false });
  tab.set({ visible: true });
  assert.equal(opened(), before);
  tab.set({ online: true });
  await shows(client, "a");
});

test("a connection without a heartbeat is cut", async () => {
  const { LiveStream } = await import("../src/client/live-stream.js");
  const controller = new AbortController();
  const states: string[] = [];
  const stream = new LiveStream({
    platform: browser.tab(),
    open: (signal) => fetch(`${api.url}/v1/inbox/stream`, { signal }),
    onEvents: () => undefined,
    onConnection: (connection) => states.push(connection),
    watchdogMs: 30,
  });
  const running = stream.run(controller.signal);
  await until(() => opened() >= 2);
  controller.abort();
  await running;
  assert.ok(states.includes("offline"));
});

test("Retry-After is respected", async () => {
  api.refusals.push({ path: "/v1/inbox/stream", status: 503, headers: { "retry-after": "1" } });
  const client = open();
  await until(() => client.getSnapshot().connection === "error");
  assert.equal((client.getSnapshot().error as InboxError).retryAfterMs, 1000);
  await until(() => client.getSnapshot().connection === "live");
  assert.equal(client.getSnapshot().error, null);
});

test("`reconnect` does not wait", async () => {
  api.refusals.push({ path: "/v1/inbox/stream", status: 429, headers: { "retry-after": "300" } });
  const client = open();
  await until(() => client.getSnapshot().connection === "error");
  client.reconnect();
  await until(() => client.getSnapshot().connection === "live");
});

test("a token that the server refuses is replaced once", async () => {
  api.accepted.add("second");
  const tokens = ["first", "second"];
  const client = open(browser.tab(), { getToken: () => Promise.resolve(tokens.shift() ?? "third") });
  await until(() => client.getSnapshot().connection === "live");
  assert.equal(opened(), 2);
  assert.equal(tokens.length, 0);
});

test("a token is fetched again before it expires, whatever this machine's clock says", async () => {
  const tab = browser.tab();
  let fetched = 0;
  const getToken = (): Promise<string> => Promise.resolve(jwt({ sub: "alice", iat: 1000, exp: 1900, number: ++fetched }));
  const client = open(tab, { getToken });
  await until(() => client.getSnapshot().ready);
  await client.loadMore();
  assert.equal(fetched, 1);
  tab.clockMs = 865_000;
  await Promise.all([client.markAllRead(["x"]), client.loadMore("winner"), client.loadMore("overbid")]);
  assert.equal(fetched, 1, "35 s are left");
  tab.clockMs = 875_000;
  await Promise.all([client.loadMore("a"), client.loadMore("b")]);
  assert.equal(fetched, 2, "one call for both");
});

test("a `getToken` that fails is called again", async () => {
  let calls = 0;
  const getToken = (): Promise<string> => (++calls < 2 ? Promise.reject(new Error("no session")) : Promise.resolve(ALICE));
  const client = open(browser.tab(), { getToken });
  await until(() => client.getSnapshot().error?.message === "no session");
  await until(() => client.getSnapshot().connection === "live");
});

test("a token of another recipient begins that inbox", async () => {
  api.add("a");
  let token = jwt({ sub: "alice", iat: 0, exp: 100 });
  const tab = browser.tab();
  const client = open(tab, { getToken: () => Promise.resolve(token) });
  await shows(client, "a");
  api.entries.clear();
  api.forget();
  token = jwt({ sub: "bob", iat: 0, exp: 100 });
  tab.clockMs = 100_000;
  api.endStreams();
  await shows(client, "");
  await until(() => client.getSnapshot().ready);
});

test("two tabs have one stream, and agree", async () => {
  api.add("a");
  const [first, second] = [open(), open()];
  await shows(first, "a");
  await shows(second, "a");
  assert.equal(second.getSnapshot().connection, "live");
  api.add("b");
  await Promise.all([shows(first, "ba"), shows(second, "ba")]);
  await second.markRead(["a"]);
  await Promise.all([shows(first, "b"), shows(second, "b")]);
  assert.equal(opened(), 1);
});

test("when the leader is closed another tab continues where it was", async () => {
  const [first, second] = [open(), open()];
  await until(() => first.getSnapshot().ready && second.getSnapshot().ready);
  api.add("a");
  await shows(second, "a");
  api.isSilent = true;
  api.add("b");
  first.stop();
  api.isSilent = false;
  await shows(second, "ba");
  await until(() => api.openStreams === 1);
  api.add("c");
  await shows(second, "cba");
  first.start();
  await shows(first, "cba");
  assert.equal(opened(), 2);
});

test("a tab whose token the server refuses leaves the stream to another", async () => {
  api.add("a");
  const good = jwt({ sub: "alice", session: 2 });
  api.accepted.add(good);
  const first = open();
  await until(() => first.getSnapshot().connection === "error");
  const second = open(browser.tab(), { getToken: () => Promise.resolve(good) });
  await Promise.all([shows(first, "a"), shows(second, "a")]);
  await until(() => first.getSnapshot().connection === "live");
  assert.equal(api.openStreams, 1);
});

test("a token that stays refused is no busy loop", async () => {
  api.accepted.add("another");
  const client = open();
  await until(() => client.getSnapshot().connection === "error");
  for (let count = 0; count < 10; count++) await client.loadMore();
  assert.equal((client.getSnapshot().listings[""]?.error as InboxError).status, 401);
  assert.equal(opened(), 2, "one attempt, with two tokens");
});

test("a tab that has received nothing but the state resumes after it", async () => {
  api.add("a");
  const [first, second] = [open(), open()];
  await shows(first, "a");
  await shows(second, "a");
  first.stop();
  await until(() => opened() === 2);
  assert.deepEqual(api.resumed, [null, "1"]);
});

test("a tab that has missed a message of the leader asks for the state", async () => {
  const [first, second] = [open(), open()];
  await until(() => first.getSnapshot().connection === "live" && second.getSnapshot().connection === "live");
  browser.losses = 1;
  api.add("a");
  await shows(first, "a");
  api.add("b");
  await Promise.all([shows(first, "ba"), shows(second, "ba")]);
  assert.equal(opened(), 1);
});

test("a tab that is hidden for long leaves the stream to another, and returns", async () => {
  const tabs = [browser.tab(), browser.tab()] as const;
  const [first, second] = tabs.map((tab) => open(tab, { hiddenPauseMs: 20 })) as [InboxClient, InboxClient];
  await until(() => first.getSnapshot().ready && second.getSnapshot().ready);
  tabs[0].set({ visible: false });
  await until(() => opened() === 2 && api.openStreams === 1);
  api.add("a");
  await shows(second, "a");
  tabs[1].set({ visible: false });
  await until(() => api.openStreams === 0);
  api.add("b");
  tabs[0].set({ visible: true });
  await shows(first, "ba");
  tabs[1].set({ visible: true });
  await shows(second, "ba");
  assert.equal(api.openStreams, 1);
});

test("tabs of two recipients never mix", async () => {
  const other = new FakeApi();
  await other.start();
  try {
    other.add("x");
    api.add("a");
    const bob = (): Promise<string> => Promise.resolve(jwt({ sub: "bob" }));
    const [alices, bobs, elsewhere] = [open(), open(browser.tab(), { getToken: bob }), open(browser.tab(), { baseUrl: other.url })];
    await shows(alices, "a");
    await shows(bobs, "a");
    await shows(elsewhere, "x");
    assert.equal(opened(), 2);
  } finally {
    clients.at(-1)?.stop();
    await other.stop();
  }
});

test("a browser without locks, and a token that names no recipient, have streams of their own", async () => {
  const bare = browser.tab();
  Object.assign(bare, { locks: null });
  const opaque = { getToken: () => Promise.resolve("opaque") };
  const tabs = [open(bare), open(), open(browser.tab(), opaque), open(browser.tab(), opaque)];
  await until(() => tabs.every((client) => client.getSnapshot().connection === "live"));
  assert.equal(opened(), 4);
});

test("a mark that the server refuses is taken away", async () => {
  api.add("a");
  const client = open();
  await shows(client, "a");
  api.refusals.push({ path: "/notifications", status: 503 });
  const marking = client.markRead(["a"]);
  assert.equal(unread(client), "");
  await assert.rejects(marking, { name: "InboxError", status: 503, message: "refused with 503" });
  assert.equal(unread(client), "a");
  await client.markAllRead();
  assert.equal(unread(client), "");
});

test("pages of all entries", async () => {
  for (let at = 0; at < 120; at++) api.add(`${at} `);
  api.read(...Array.from({ length: 60 }, (_, at) => `${at * 2} `));
  const client = open();
  await until(() => client.getSnapshot().unreadCount === 60);
  const all = (): number => entriesOf(client.getSnapshot(), { status: "all", type: "" }).length;
  for (const expected of [50, 100, 120, 120]) {
    await client.loadMore();
    assert.equal(all(), expected);
  }
  assert.equal(client.getSnapshot().listings[""]?.complete, true);
  assert.equal(client.getSnapshot().unreadCount, 60);
});

test("an event that cannot be read is followed by a snapshot", async () => {
  api.add("a");
  const client = open();
  await until(() => client.getSnapshot().ready && api.openStreams === 1);
  api.write("event: new\nid: 9\ndata: {\n\n");
  await until(() => opened() === 2);
  await shows(client, "a");
});

test("a preference changes at once, and back if the server refuses", async () => {
  const cell = (on: boolean) => ({ channel: "email", on, frequency: "instant", mandatory: false, since: null, blocked: null, detail: null });
  const document = (on: boolean) => ({ timezone: "UTC", quiet_hours: null, types: [{ type: "overbid", title: "New bid", domain: "auction", channels: [cell(on)] }] });
  api.preferences = document(true);
  const { preferences } = open();
  const isOn = (): boolean | undefined => preferences.getSnapshot().types[0]?.channels[0]?.on;
  await preferences.load("en");
  api.refusals.push({ path: "/v1/inbox/preferences", status: 503 });
  const refused = preferences.set("overbid", "email", false);
  assert.equal(isOn(), false);
  await assert.rejects(refused, InboxError);
  assert.equal(isOn(), true);
  api.preferences = document(false);
  await preferences.set("overbid", "email", false);
  assert.equal(isOn(), false);
  const daily = preferences.set("overbid", "email", true, "daily");
  assert.equal(preferences.getSnapshot().types[0]?.channels[0]?.frequency, "daily");
  await daily;
});

test("zone and quiet hours are what the server has saved", async () => {
  const { preferences } = open();
  api.preferences = { types: [], timezone: "Europe/Vienna", quiet_hours: [] };
  await preferences.setTimes({ timezone: "Europe/Vienna", quiet_hours: [] });
  assert.equal(preferences.getSnapshot().timezone, "Europe/Vienna");
  assert.deepEqual(preferences.getSnapshot().quietHours, []);
  api.refusals.push({ path: "/v1/inbox/preferences", status: 422 });
  await assert.rejects(preferences.setTimes({ timezone: "x" }), InboxError);
  assert.equal(preferences.getSnapshot().timezone, "Europe/Vienna");
});
