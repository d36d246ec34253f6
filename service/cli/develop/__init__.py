"""Commands for development: notification types, templates, tokens, and outcomes for a local server."""
