"""The API reference: the OpenAPI document and the page at /docs that renders it."""
