"""Kafka clients and what they share.

1. `connection` turns the settings into the arguments that every aiokafka client takes.
2. `reader` makes consumers outside any consumer group; stages make theirs in `streams/consumer/client.py`. Both install
   `aiokafka_patches` first.
3. The patches read record batches in parts (`record_batches`, `decompression`), so that memory is bounded.
4. `records` turns aiokafka's records into `Record`; `record_ids` reads their ids for logs and traces.
5. `cluster_view` asks the brokers about topics, logs and groups, with `topic_requests` for the ids of topics.
6. `errors` turns an error of Kafka into `Unavailable` with a sentence for operators; `diagnose` probes the servers,
   where aiokafka reports only that it could not connect.
7. `cancellation` separates a cancellation of the current task from one that leaks out of aiokafka.
"""
