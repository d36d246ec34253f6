"""Redis: the tables, the ledger, the inboxes and the due set. Works on one server and on a cluster."""
