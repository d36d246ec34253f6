"""The idempotent producer of a process, shared by all stages.

1. `producer` checks the size of every message and takes the open connection, or opens one.
2. `connection` puts each message into the queue of its partition, chosen by CRC-32 of the key.
3. `partition_queue` sends the batches of a partition one after another, so that order holds; the next fills meanwhile.
4. `producer` returns when Kafka has acknowledged every batch, within a bounded time.
5. When a batch fails or is late, the connection is abandoned as a whole and replaced; callers receive `Unavailable`.
"""
