"""The HTTP API: what upstreams, applications and people's inboxes call."""
