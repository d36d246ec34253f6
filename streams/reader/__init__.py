"""Readers outside any consumer group, for the CLI, the API and `rebuild`, and a writer for `tocsin publish`.

1. `follow` reads topics from a time on, to their end or for ever; `event_log` and `delivery_log` use it.
2. `merged_reader` reads topics from their beginning to their end, ordered by time; `rebuild` fills a Redis from it.
3. `fetch_at` reads single records by partition and offset.
4. `publish_once` writes records and returns their positions.
"""
