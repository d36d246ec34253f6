// Write the types of the API's inbox from docs/api/openapi.json; with --check, fail if they are not current.
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const SOURCE = new URL("../../../docs/api/openapi.json", import.meta.url);
const TARGET = new URL("../src/client/openapi.ts", import.meta.url);
const HEADER = "// Made from docs/api/openapi.json by `npm run types`.\n";
const PATHS = /^\/(counts|notifications|v1\/inbox)(\/|$)/;

/** Return the part of a document that the client uses: the inbox, and the schemas that it names. */
function partOf({ openapi, info, paths, components }) {
  const used = Object.fromEntries(Object.entries(paths).filter(([path]) => PATHS.test(path)));
  const schemas = {};
  const visit = (text) => {
    for (const [, name] of text.matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      if (name in schemas) continue;
      schemas[name] = components.schemas[name];
      visit(JSON.stringify(schemas[name]));
    }
  };
  visit(JSON.stringify(used));
  return { openapi, info, paths: used, components: { schemas } };
}

const document = partOf(JSON.parse(await readFile(SOURCE, "utf8")));
const text = HEADER + astToString(await openapiTS(document, { alphabetize: true }));
if (!process.argv.includes("--check")) await writeFile(TARGET, text);
else if ((await readFile(TARGET, "utf8")) !== text) {
  console.error("src/client/openapi.ts is not current: npm run types");
  process.exitCode = 1;
}
