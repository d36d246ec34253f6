import { TocsinInbox } from "./component/tocsin-inbox.js";

export * from "./client/index.js";
export { TocsinInbox };
export { addLanguage, type Strings, type Text } from "./component/strings.js";

// The page may load the script twice, and a server that renders pages has no registry.
if (globalThis.customElements && !customElements.get("tocsin-inbox")) customElements.define("tocsin-inbox", TocsinInbox);
