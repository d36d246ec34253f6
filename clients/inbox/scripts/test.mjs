// Run the unit tests with Node's own runner; arguments are files of `test/`.
import { spawnSync } from "node:child_process";
import { readdir } from "node:fs/promises";
import { build } from "esbuild";

const chosen = process.argv.slice(2);
const files = (await readdir("test")).filter((name) => name.endsWith(".test.ts"));
const names = chosen.length ? files.filter((name) => chosen.some((part) => name.includes(part))) : files;
await build({
  entryPoints: names.map((name) => `test/${name}`),
  outdir: "build/test",
  outExtension: { ".js": ".mjs" },
  bundle: true,
  format: "esm",
  platform: "node",
  packages: "external",
  sourcemap: "inline",
});
const run = spawnSync(
  process.execPath,
  ["--enable-source-maps", "--test", ...names.map((name) => `build/test/${name.replace(/\.ts$/, ".mjs")}`)],
  { stdio: "inherit" },
);
process.exitCode = run.status ?? 1;
