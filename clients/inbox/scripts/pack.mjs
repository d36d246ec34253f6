// Check the npm package: install its tarball into an empty folder, type-check a consumer of each entry, and bundle it.
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "esbuild";

const CONSUMER = `
import { addLanguage, InboxClient, TocsinInbox, type InboxState } from "@tocsin/inbox";
import { entriesOf, InboxClient as Headless } from "@tocsin/inbox/client";
import { TocsinInbox as Bell, useInbox } from "@tocsin/inbox/react";
import { createElement, type ReactElement } from "react";

addLanguage("fr", { title: "Notifications", bell: { one: "{n} non lue", other: "{n} non lues" } });
const client = new InboxClient({ baseUrl: "https://notify.example.com", getToken: async () => "token" });
const element: TocsinInbox = document.createElement("tocsin-inbox");
element.client = client;
const state: InboxState = new Headless({ baseUrl: "", getToken: async () => "" }).getSnapshot();
entriesOf(state, { type: "", status: "all" }).map((entry) => entry.line.length);
// @ts-expect-error: an entry is not changed
state.entries[0].readMs = 1;

export function App(): ReactElement {
  const { unreadCount } = useInbox(client);
  return createElement(Bell, { client, mode: "bell", locale: "de", title: String(unreadCount),
    onEntryClick: (event) => console.log(event.detail.entry.link), onCount: ({ detail }) => console.log(detail.count) });
}
`;
const OPTIONS = { strict: true, noEmit: true, target: "ES2022", lib: ["ES2022", "DOM"], jsx: "react-jsx", types: [] };
const bin = (name) => resolve("node_modules/.bin", name);
const run = (command, args, cwd) => execFileSync(command, args, { cwd, stdio: ["ignore", "pipe", "inherit"] }).toString();

const folder = await mkdtemp(join(tmpdir(), "tocsin-inbox-"));
try {
  const [{ filename, files, size }] = JSON.parse(run("npm", ["pack", "--json", "--pack-destination", folder], "."));
  await writeFile(join(folder, "package.json"), '{ "type": "module", "private": true }');
  await writeFile(join(folder, "consumer.ts"), CONSUMER);
  const { devDependencies } = JSON.parse(await readFile("package.json", "utf8"));
  const react = ["react", "@types/react"].map((name) => `${name}@${devDependencies[name]}`);
  run("npm", ["install", "--no-audit", "--no-fund", `./${filename}`, ...react], folder);
  for (const [module, moduleResolution] of [["ESNext", "Bundler"], ["Node16", "Node16"]]) {
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: { ...OPTIONS, module, moduleResolution } }));
    run(bin("tsc"), ["-p", "."], folder);
  }
  await build({ entryPoints: [join(folder, "consumer.ts")], bundle: true, format: "esm", write: false, logLevel: "warning" });
  // Pages are rendered on servers too: importing must not need a document.
  run(process.execPath, ["--input-type=module", "-e", 'await import("@tocsin/inbox/react"); await import("@tocsin/inbox/client")'], folder);
  console.log(`${filename}: ${files.length} files, ${size} bytes; its consumers are typed and can be bundled`);
} finally {
  await rm(folder, { recursive: true });
}
