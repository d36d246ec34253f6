"""HTTP routes, one module a resource. Docstrings of handlers are the descriptions in the OpenAPI document."""
