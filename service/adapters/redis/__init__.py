"""Redis: the tables, the ledger, the inboxes and the due set. Works on one server and on a cluster.

A batch becomes few script calls: `script_batch` groups its items by key and slot, `client.Store` runs the calls in one
pipeline, `keys` lists every key, `scripts/` has the Lua. `completeness` is the mark that says Redis holds everything,
`state_history` the checkpoints and servers by which older data are noticed, `connect` the connections.
"""

import sys

_OTEL = "opentelemetry"

if _OTEL not in sys.modules:
    # redis-py imports it where it is installed, for metrics of its own that Tocsin does not switch on: a tenth of the
    # start of a command. A module that is None in `sys.modules` counts as not installed.
    sys.modules[_OTEL] = None  # type: ignore[assignment]
    import redis.observability.providers  # noqa: F401

    del sys.modules[_OTEL]
