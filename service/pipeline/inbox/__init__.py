"""The inbox channel.

1. `stage`: deliveries become inbox entries; the ledger decides which of them stay.
2. `mark_read`: entries are marked as read, in Redis and in Kafka.
"""
