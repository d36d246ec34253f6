// Build `dist` (the npm package) and the bundle that the API serves, `service/api/assets`; fail if it is too large.
import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, transform } from "esbuild";

const MAX_GZIP_BYTES = 25_000;
const NAME = "tocsin-inbox.js";
const { version } = JSON.parse(await readFile("package.json", "utf8"));
/** Where the API's files go; the test that compares them names another folder. */
const assets = process.argv[2] ?? fileURLToPath(new URL("../../../service/api/assets", import.meta.url));
const common = { bundle: true, format: "esm", target: "es2022", charset: "utf8", logLevel: "warning" };

/** Minifies style sheets, and removes the indentation of templates: esbuild leaves both as they are. */
const squeeze = {
  name: "squeeze",
  setup({ onLoad }) {
    onLoad({ filter: /src\/component\/.*\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, "utf8");
      const [sheet, css] = /css`([^`]*)`/.exec(text) ?? [];
      const small = css ? `css\`${(await transform(css, { loader: "css", minify: true })).code.trim()}\`` : "";
      return { contents: (sheet ? text.replace(sheet, () => small) : text).replace(/\n\s+/g, "\n"), loader: "ts" };
    });
  },
};

await rm("dist", { recursive: true, force: true });
await build({
  ...common,
  entryPoints: { index: "src/index.ts", client: "src/client/index.ts", react: "src/react/index.ts" },
  outdir: "dist",
  splitting: true,
  chunkNames: "shared-[hash]",
  packages: "external",
});
execFileSync("node_modules/.bin/tsc", ["-p", "tsconfig.build.json"], { stdio: "inherit" });

const bundle = await build({
  ...common,
  entryPoints: ["src/index.ts"],
  minify: true,
  legalComments: "none",
  banner: { js: `/* @tocsin/inbox ${version}: Apache-2.0. Contains Lit: BSD-3-Clause, Copyright Google LLC. */` },
  plugins: [squeeze],
  write: false,
});
const script = bundle.outputFiles[0].contents;
const hash = (algorithm, encoding) => createHash(algorithm).update(script).digest(encoding);
const gzipBytes = gzipSync(script, { level: 9 }).length;
const sha256 = hash("sha256", "hex");
const manifest = {
  name: "@tocsin/inbox",
  version,
  path: `${version}-${sha256.slice(0, 8)}/${NAME}`,
  sha256,
  integrity: `sha384-${hash("sha384", "base64")}`,
  bytes: script.length,
};
await mkdir(assets, { recursive: true });
await writeFile(`${assets}/${NAME}`, script);
await writeFile(`${assets}/manifest.json`, `${JSON.stringify(manifest, null, 2)}\n`);
await writeFile(`dist/${NAME}`, script);
console.log(`${NAME}: ${script.length} bytes, ${gzipBytes} with gzip; at most ${MAX_GZIP_BYTES}`);
if (gzipBytes > MAX_GZIP_BYTES) {
  console.error(`${NAME} is larger than ${MAX_GZIP_BYTES} bytes with gzip`);
  process.exitCode = 1;
}
