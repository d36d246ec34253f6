// Renders openapi.json. Everything from the document is put in as text, never as markup.
"use strict";

const VERBS = ["get", "post", "put", "patch", "delete"];
const byId = (id) => document.getElementById(id);

function make(tag, content = [], attributes = {}) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...[content].flat());
  return element;
}

/** A schema with its reference followed. */
function follow(schema, root) {
  let found = schema ?? {};
  for (let hops = 0; found.$ref && hops < 8; hops++)
    found = found.$ref.slice(2).split("/").reduce((at, step) => at?.[step.replaceAll("~1", "/").replaceAll("~0", "~")], root) ?? {};
  return found;
}

/** A sample that fits a schema, roughly: what to begin a body with. */
function sample(schema, root, depth = 0) {
  const found = follow(schema, root);
  if (found.example !== undefined) return found.example;
  if (found.examples?.length) return found.examples[0];
  if (found.default !== undefined) return found.default;
  if (found.const !== undefined) return found.const;
  if (found.enum) return found.enum[0];
  const choice = found.anyOf ?? found.oneOf;
  if (choice) return sample(choice[0], root, depth);
  if (found.allOf) return Object.assign({}, ...found.allOf.map((part) => sample(part, root, depth)));
  if (depth > 6) return null;
  const type = [found.type].flat()[0];
  if (type === "object" || found.properties) {
    const fields = Object.entries(found.properties ?? {});
    return Object.fromEntries(fields.map(([name, part]) => [name, sample(part, root, depth + 1)]));
  }
  if (type === "array") return found.items ? [sample(found.items, root, depth + 1)] : [];
  return { string: found.format === "date-time" ? "2026-01-31T12:00:00Z" : "text", integer: 1, number: 1, boolean: true }[type] ?? null;
}

/** A schema's type in words. */
function typeOf(schema, root) {
  const found = follow(schema, root);
  if (found.enum) return found.enum.map((one) => JSON.stringify(one)).join(" | ");
  if (found.const !== undefined) return JSON.stringify(found.const);
  const choice = found.anyOf ?? found.oneOf;
  if (choice) return choice.map((part) => typeOf(part, root)).join(" | ");
  if (found.type === "array") return `list of ${found.items ? typeOf(found.items, root) : "any"}`;
  return [[found.type ?? "any"].flat().join(" | "), found.format].filter(Boolean).join(", ");
}

/** Rows for the fields of a body, indented by their depth. */
function fieldRows(schema, root, depth = 0) {
  let found = follow(schema, root);
  if (found.type === "array") found = follow(found.items, root);
  if (depth > 5) return [];
  return Object.entries(found.properties ?? {}).flatMap(([name, part]) => {
    const needed = found.required?.includes(name) ? ", required" : "";
    const text = follow(part, root).description ?? part.description ?? "";
    const indent = "\u2003".repeat(depth);
    const row = make("tr", [make("td", make("code", indent + name)), make("td", typeOf(part, root) + needed, { class: "soft" }), make("td", text)]);
    return [row, ...fieldRows(part, root, depth + 1)];
  });
}

function contentOf(content, root) {
  return Object.entries(content ?? {}).flatMap(([kind, { schema }]) => {
    const rows = fieldRows(schema, root);
    return [make("p", make("code", kind)), rows.length ? make("table", rows) : make("p", typeOf(schema, root), { class: "soft" })];
  });
}

/** A form that sends the request to this server and shows the answer. */
function trial(verb, path, operation, root) {
  const parameters = (operation.parameters ?? []).map((one) => follow(one, root));
  const inputs = parameters.map((one) => [one, make("input", [], { "aria-label": one.name, placeholder: one.in })]);
  const rows = inputs.map(([one, input]) => make("tr", [
    make("td", make("code", one.name + (one.required ? " *" : ""))),
    make("td", `${one.in}, ${typeOf(one.schema, root)}`, { class: "soft" }),
    make("td", [make("p", one.description ?? ""), input]),
  ]));
  const kinds = Object.keys(operation.requestBody?.content ?? {});
  const body = make("textarea", [], { "aria-label": "body", spellcheck: "false" });
  if (kinds.length) body.value = JSON.stringify(sample(operation.requestBody.content[kinds[0]].schema, root), null, 2);
  const button = make("button", "Send", { type: "button" });
  const answer = make("pre", "", { hidden: "" });
  button.addEventListener("click", async () => {
    let target = path;
    const query = new URLSearchParams();
    const headers = {};
    for (const [one, input] of inputs) {
      if (one.in === "path") target = target.replace(`{${one.name}}`, encodeURIComponent(input.value));
      else if (input.value && one.in === "query") query.append(one.name, input.value);
      else if (input.value && one.in === "header") headers[one.name] = input.value;
    }
    if (byId("authorization").value) headers.Authorization = byId("authorization").value;
    if (kinds.length && body.value) headers["Content-Type"] = kinds[0];
    answer.hidden = false;
    try {
      const url = new URL(`.${target}${query.size ? `?${query}` : ""}`, document.baseURI);
      const got = await fetch(url, { method: verb.toUpperCase(), headers, body: kinds.length ? body.value : undefined });
      const text = await got.text();
      let shown = text;
      try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: shown as it came */ }
      answer.textContent = `${got.status} ${got.statusText}\n\n${shown.slice(0, 20000)}`;
    } catch (error) {
      answer.textContent = String(error);
    }
  });
  const streams = path.endsWith("/stream");
  return [
    ...(rows.length ? [make("h3", "Parameters"), make("table", rows)] : []),
    ...(kinds.length ? [make("h3", "Body"), ...contentOf(operation.requestBody.content, root), body] : []),
    ...(streams ? [] : [make("p", button), answer]),
  ];
}

function responsesOf(operation, root) {
  return Object.entries(operation.responses ?? {}).flatMap(([status, response]) => {
    const found = follow(response, root);
    const shown = status < "300" ? contentOf(found.content, root) : [];
    return [make("p", [make("code", status), ` ${found.description ?? ""}`]), ...shown];
  });
}

function operationOf(verb, path, operation, root) {
  const head = make("summary", [make("span", verb.toUpperCase(), { class: "verb" }), make("code", path), make("span", ` ${operation.summary ?? ""}`, { class: "soft" })]);
  const box = make("details", head, { "data-words": `${verb} ${path} ${operation.summary ?? ""} ${operation.description ?? ""}`.toLowerCase() });
  box.addEventListener("toggle", () => {
    if (box.childElementCount > 1) return;
    box.append(make("div", [
      make("p", operation.description ?? ""),
      ...trial(verb, path, operation, root),
      make("h3", "Answers"),
      ...responsesOf(operation, root),
    ]));
  });
  return box;
}

function render(root) {
  document.title = `${root.info.title} API`;
  document.querySelector("h1").textContent = `${root.info.title} API, version ${root.info.version}`;
  byId("about").textContent = root.info.description ?? "";
  const groups = new Map();
  for (const [path, item] of Object.entries(root.paths))
    for (const verb of VERBS.filter((one) => item[one])) {
      const tag = item[verb].tags?.[0] ?? "other";
      if (!groups.has(tag)) groups.set(tag, []);
      const operation = { ...item[verb], parameters: [...(item.parameters ?? []), ...(item[verb].parameters ?? [])] };
      groups.get(tag).push(operationOf(verb, path, operation, root));
    }
  byId("operations").replaceChildren(...[...groups].map(([tag, found]) => make("section", [make("h2", tag), ...found])));
}

byId("find").addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase();
  for (const box of document.querySelectorAll("details")) box.hidden = !box.dataset.words.includes(wanted);
  for (const section of document.querySelectorAll("section")) section.hidden = !section.querySelector("details:not([hidden])");
});

fetch("openapi.json")
  .then((answer) => answer.json())
  .then(render)
  .catch((error) => byId("operations").replaceChildren(make("p", `openapi.json cannot be read: ${error}`, { class: "failed" })));
