// Renders openapi.json. Strings of the document are inserted as text, never as markup, so they cannot inject a script.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];
const byId = (id) => document.getElementById(id);

function make(tag, content = [], attributes = {}) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...[content].flat());
  return element;
}

/** Return the schema that a chain of references leads to, at most 8 of them. */
function resolve(schema, root) {
  let resolved = schema ?? {};
  for (let hops = 0; resolved.$ref && hops < 8; hops++)
    resolved = resolved.$ref.slice(2).split("/").reduce((node, step) => node?.[step.replaceAll("~1", "/").replaceAll("~0", "~")], root) ?? {};
  return resolved;
}

/** Return a value that roughly fits a schema, as the first text of a request body. */
function sample(schema, root, depth = 0) {
  const resolved = resolve(schema, root);
  if (resolved.example !== undefined) return resolved.example;
  if (resolved.examples?.length) return resolved.examples[0];
  if (resolved.default !== undefined) return resolved.default;
  if (resolved.const !== undefined) return resolved.const;
  if (resolved.enum) return resolved.enum[0];
  const choice = resolved.anyOf ?? resolved.oneOf;
  if (choice) return sample(choice[0], root, depth);
  if (resolved.allOf) return Object.assign({}, ...resolved.allOf.map((part) => sample(part, root, depth)));
  if (depth > 6) return null;
  const type = [resolved.type].flat()[0];
  if (type === "object" || resolved.properties) {
    const fields = Object.entries(resolved.properties ?? {});
    return Object.fromEntries(fields.map(([name, part]) => [name, sample(part, root, depth + 1)]));
  }
  if (type === "array") return resolved.items ? [sample(resolved.items, root, depth + 1)] : [];
  return { string: resolved.format === "date-time" ? "2026-01-31T12:00:00Z" : "text", integer: 1, number: 1, boolean: true }[type] ?? null;
}

/** Return a description of a schema's type. */
function typeOf(schema, root) {
  const resolved = resolve(schema, root);
  if (resolved.enum) return resolved.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (resolved.const !== undefined) return JSON.stringify(resolved.const);
  const choice = resolved.anyOf ?? resolved.oneOf;
  if (choice) return choice.map((part) => typeOf(part, root)).join(" | ");
  if (resolved.type === "array") return `list of ${resolved.items ? typeOf(resolved.items, root) : "any"}`;
  return [[resolved.type ?? "any"].flat().join(" | "), resolved.format].filter(Boolean).join(", ");
}

/** Return table rows for the fields of a body, indented by depth. */
function fieldRows(schema, root, depth = 0) {
  let resolved = resolve(schema, root);
  if (resolved.type === "array") resolved = resolve(resolved.items, root);
  if (depth > 5) return [];
  return Object.entries(resolved.properties ?? {}).flatMap(([name, part]) => {
    const required = resolved.required?.includes(name) ? ", required" : "";
    const text = resolve(part, root).description ?? part.description ?? "";
    const indent = "\u2003".repeat(depth);
    const row = make("tr", [make("td", make("code", indent + name)), make("td", typeOf(part, root) + required, { class: "soft" }), make("td", text)]);
    return [row, ...fieldRows(part, root, depth + 1)];
  });
}

function contentOf(content, root) {
  return Object.entries(content ?? {}).flatMap(([mediaType, { schema }]) => {
    const rows = fieldRows(schema, root);
    return [make("p", make("code", mediaType)), rows.length ? make("table", rows) : make("p", typeOf(schema, root), { class: "soft" })];
  });
}

/** Return a form that sends the request to this server and displays the response. */
function tryForm(method, path, operation, root) {
  const parameters = (operation.parameters ?? []).map((parameter) => resolve(parameter, root));
  const inputs = parameters.map((parameter) => [parameter, make("input", [], { "aria-label": parameter.name, placeholder: parameter.in })]);
  const rows = inputs.map(([parameter, input]) => make("tr", [
    make("td", make("code", parameter.name + (parameter.required ? " *" : ""))),
    make("td", `${parameter.in}, ${typeOf(parameter.schema, root)}`, { class: "soft" }),
    make("td", [make("p", parameter.description ?? ""), input]),
  ]));
  const mediaTypes = Object.keys(operation.requestBody?.content ?? {});
  const body = make("textarea", [], { "aria-label": "body", spellcheck: "false" });
  if (mediaTypes.length) body.value = JSON.stringify(sample(operation.requestBody.content[mediaTypes[0]].schema, root), null, 2);
  const button = make("button", "Send", { type: "button" });
  const output = make("pre", "", { hidden: "" });
  button.addEventListener("click", async () => {
    let target = path;
    const query = new URLSearchParams();
    const headers = {};
    for (const [parameter, input] of inputs) {
      if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (input.value && parameter.in === "query") query.append(parameter.name, input.value);
      else if (input.value && parameter.in === "header") headers[parameter.name] = input.value;
    }
    if (byId("authorization").value) headers.Authorization = byId("authorization").value;
    if (mediaTypes.length && body.value) headers["Content-Type"] = mediaTypes[0];
    output.hidden = false;
    try {
      const url = new URL(`.${target}${query.size ? `?${query}` : ""}`, document.baseURI);
      const response = await fetch(url, { method: method.toUpperCase(), headers, body: mediaTypes.length ? body.value : undefined });
      let text = await response.text();
      try { text = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: displayed unchanged */ }
      output.textContent = `${response.status} ${response.statusText}\n\n${text.slice(0, 20000)}`;
    } catch (error) {
      output.textContent = String(error);
    }
  });
  const isStream = path.endsWith("/stream");
  return [
    ...(rows.length ? [make("h3", "Parameters"), make("table", rows)] : []),
    ...(mediaTypes.length ? [make("h3", "Body"), ...contentOf(operation.requestBody.content, root), body] : []),
    ...(isStream ? [] : [make("p", button), output]),
  ];
}

function responsesOf(operation, root) {
  return Object.entries(operation.responses ?? {}).flatMap(([status, response]) => {
    const resolved = resolve(response, root);
    const content = status < "300" ? contentOf(resolved.content, root) : [];
    return [make("p", [make("code", status), ` ${resolved.description ?? ""}`]), ...content];
  });
}

function operationOf(method, path, operation, root) {
  const head = make("summary", [make("span", method.toUpperCase(), { class: "method" }), make("code", path), make("span", ` ${operation.summary ?? ""}`, { class: "soft" })]);
  const box = make("details", head, { "data-words": `${method} ${path} ${operation.summary ?? ""} ${operation.description ?? ""}`.toLowerCase() });
  box.addEventListener("toggle", () => {
    if (box.childElementCount > 1) return;
    box.append(make("div", [
      make("p", operation.description ?? ""),
      ...tryForm(method, path, operation, root),
      make("h3", "Responses"),
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
    for (const method of METHODS.filter((name) => item[name])) {
      const tag = item[method].tags?.[0] ?? "other";
      if (!groups.has(tag)) groups.set(tag, []);
      const operation = { ...item[method], parameters: [...(item.parameters ?? []), ...(item[method].parameters ?? [])] };
      groups.get(tag).push(operationOf(method, path, operation, root));
    }
  byId("operations").replaceChildren(...[...groups].map(([tag, operations]) => make("section", [make("h2", tag), ...operations])));
}

byId("find").addEventListener("input", (event) => {
  const search = event.target.value.toLowerCase();
  for (const box of document.querySelectorAll("details")) box.hidden = !box.dataset.words.includes(search);
  for (const section of document.querySelectorAll("section")) section.hidden = !section.querySelector("details:not([hidden])");
});

fetch("openapi.json")
  .then((response) => response.json())
  .then(render)
  .catch((error) => byId("operations").replaceChildren(make("p", `openapi.json cannot be read: ${error}`, { class: "failed" })));
