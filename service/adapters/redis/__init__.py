"""Redis: the tables, the ledger, the inboxes and the due set. Works on one server and on a cluster.

A batch becomes few script calls: `script_batch` groups its items by key and slot, `client.Store` runs the calls in one
pipeline, `keys` lists every key, `scripts/` has the Lua. `completeness` is the mark that says Redis holds everything,
`state_history` the checkpoints and servers by which older data are noticed, `connect` the connections.
"""
