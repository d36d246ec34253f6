// Renders openapi.json with Scalar, without any of its services on other hosts.
"use strict";

const reference = document.getElementById("reference");
const base = new URL(".", document.baseURI);
const token = reference.dataset.devToken;

Scalar.createApiReference(reference, {
  url: new URL("openapi.json", base).href,
  baseServerURL: base.href,
  servers: [{ url: base.href.replace(/\/$/, "") }],
  theme: "none",
  withDefaultFonts: false,
  telemetry: false,
  agent: { disabled: true },
  mcp: { disabled: true },
  hideClientButton: true,
  showDeveloperTools: "never",
  documentDownloadType: "json",
  defaultHttpClient: { targetKey: "shell", clientKey: "curl" },
  authentication: token
    ? { preferredSecurityScheme: "bearer", securitySchemes: { bearer: { token } } }
    : { preferredSecurityScheme: "bearer" },
});
