"""Readers outside any consumer group, for the CLI, the API and the state keeper; a writer for `tocsin publish`.

1. `follow` reads topics from a time on, to their end or for ever; `event_log` and `delivery_log` use it.
2. `merged_reader` reads topics from some positions to their end, ordered by time; `rebuild` fills a Redis from it, and
   `catch_up` adds what a Redis with older data lacks.
3. `positions` reads the positions that a checkpoint records.
4. `record_log` is the operators' way to records: `fetch_at` reads single ones by partition and offset, `newest_first`
   reads topics backwards.
5. `publish_once` writes records and returns their positions.
"""
