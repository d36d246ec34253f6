"""Kafka topics: the table, how the cluster differs from it, and the AsyncAPI document.

1. `table` lists every topic that Tocsin owns, with its key and its settings.
2. `plan` describes the cluster once and compares every topic with the table.
3. `apply` carries the plan out, for `tocsin topics apply`; it never deletes and never shrinks.
4. `status` shows the plan, for `tocsin topics list` and `tocsin doctor`.
5. `asyncapi` prints the AsyncAPI 3.0 document, from `asyncapi_events` (events) and `asyncapi_records` (other records).
"""
