"""The stages from event to delivery, and the operators' tools, over ports. No I/O of its own.

1. `resolve`: an event becomes deliveries, each entered in the ledger.
2. `inbox`: inbox deliveries become inbox entries.
3. `email`: email deliveries are claimed, rendered and sent; `email.schedule` dispatches those that wait.
4. `bounces`: reports that come back by mail.
5. `tables`: the rows that resolve and email look up.
6. `operate`: explain, replay, redrive, audit, rebuild and privacy.

Beside them: `messages` makes what stages write, `delivery_batch` decodes what they read, `lost_deliveries` enters what
the ledger has lost, and `from_log` reads histories from Kafka.

A stage's handler takes a batch of records and yields `Done` (`service.model.record`).
"""
