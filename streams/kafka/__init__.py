"""Kafka clients and what they share.

1. `connection` turns the settings into the arguments that every aiokafka client takes.
2. `reader` makes consumers outside any consumer group; stages make theirs in `streams/consumer/client.py`. Both install
   `aiokafka_patches` first.
3. `records` turns aiokafka's records into `Record`; `record_ids` reads their ids for logs and traces.
4. `errors` turns an error of Kafka into `Unavailable` with a sentence for operators; `diagnose` probes the servers,
   where aiokafka reports only that it could not connect.
5. `cancellation` separates a cancellation of the current task from one that leaks out of aiokafka.
"""
