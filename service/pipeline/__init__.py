"""The verbs, in reading order: ingest, resolve, deliver_inbox, deliver_email, schedule. Batches in, batches out."""
