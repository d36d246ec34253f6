"""Partitions in log lines."""

from streams.kafka.partition_names import partition_names


def test_partitions_are_named_in_ranges() -> None:
    """By topic, sorted, each once."""
    assigned = [("events", 8), *(("events", n) for n in range(6)), ("a", 0), ("a", 2), ("a", 0)]
    assert partition_names(assigned) == ["a:0,2", "events:0-5,8"]
    assert partition_names([]) == []
