"""Events to deliveries: read the event, find its audience, decide each delivery, write the ledger."""
