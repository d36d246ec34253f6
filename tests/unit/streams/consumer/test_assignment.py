"""Partitions that may be read, and the records of the next batch."""

from dataclasses import replace

from aiokafka import TopicPartition
from structlog.testing import capture_logs

from service.model.record import PartialValue, Record
from service.observability.metrics import RECORD_TIMESTAMPS
from streams.consumer.assignment import Assignment, PartitionSlice
from streams.consumer.limits import StageLimits
from tests.support.kafka_records import consumer_records

HIGH, LOW, LOW_2 = TopicPartition("high", 0), TopicPartition("low", 0), TopicPartition("low", 1)


def assignment(**limits: int) -> Assignment:
    """Three partitions of two topics, `high` before `low`."""
    made = Assignment(["high", "low"], StageLimits(**{"max_records": 10, **limits}))  # type: ignore[arg-type]
    made.add([LOW, LOW_2, HIGH])
    return made


def accept(
    to: Assignment, tp: TopicPartition, *offsets: int, key: bytes | None = None, value: bytes = b"v"
) -> None:
    """Records at these offsets have been read."""
    to.accept({tp: consumer_records(tp.topic, tp.partition, offsets, key, value)})


def positions(slices: list[PartitionSlice]) -> list[tuple[str, int, int]]:
    """Topic, partition and offset of the records of a batch."""
    return [record[:3] for _, records in slices for record in records]


def end(slices: list[PartitionSlice]) -> None:
    """A batch has finished all its records."""
    for partition, records in slices:
        for record in records:
            partition.finish(record)
        partition.release(records)


def test_the_topic_named_first_is_served_first() -> None:
    """A batch is filled from the more urgent topic before the others get the remaining room."""
    made = assignment(max_records=3)
    accept(made, LOW, 0, 1)
    accept(made, HIGH, 7, 8)

    assert positions(made.take()) == [("high", 0, 7), ("high", 0, 8), ("low", 0, 0)]


def test_partitions_of_a_topic_take_turns() -> None:
    """One full partition does not keep another of the same topic waiting for ever."""
    made = assignment(max_records=2)
    accept(made, LOW, *range(10))
    accept(made, LOW_2, *range(10))

    turns = [positions(made.take())[0][1] for _ in range(4)]
    assert turns == [0, 1, 0, 1]


def test_a_key_is_in_one_batch_at_a_time() -> None:
    """While a record of a key runs, later ones of that key wait, and others go past them."""
    made = assignment()
    accept(made, LOW, 0, 1, key=b"a")
    first = made.take()
    accept(made, LOW, 2, 3, key=b"a")
    accept(made, LOW, 4)

    second = made.take()
    assert positions(second) == [("low", 0, 4)]
    assert made.take() == []
    end(first)
    assert positions(made.take()) == [("low", 0, 2), ("low", 0, 3)]


def test_records_without_a_key_do_not_wait() -> None:
    """A record that has no key has no order either."""
    made = assignment()
    record = consumer_records("low", 0, [0, 1])
    for fetch in record:
        fetch.key = None
    made.accept({LOW: record[:1]})
    made.take()
    made.accept({LOW: record[1:]})

    assert positions(made.take()) == [("low", 0, 1)]


def test_held_records_are_bounded_by_number() -> None:
    """At the limit, only partitions that hold nothing may be read, until a batch has ended."""
    made = assignment(max_in_flight=3)
    accept(made, LOW, 0, 1, 2)

    assert made.full() == [LOW]
    assert made.held == 3
    end(made.take())
    assert made.full() == []


def test_held_records_are_bounded_by_size() -> None:
    """The same for bytes: a few large records fill it."""
    made = assignment(max_bytes=100_000)
    accept(made, LOW, 0, value=b"x" * 100_000)

    assert made.full() == [LOW]
    end(made.take())
    assert made.full() == []


def test_a_partition_is_not_read_far_past_an_unfinished_record() -> None:
    """The records that would be read again after a crash are bounded, by partition."""
    made = assignment(max_uncommitted=5)
    accept(made, LOW, *range(5))
    ((partition, records),) = made.take()
    for record in records[1:]:
        partition.finish(record)
    partition.release(records)

    assert made.full() == [LOW]
    partition.finish(records[0])
    assert made.full() == []


def test_a_revoked_partition_drops_waiting_records_and_can_still_finish() -> None:
    """Records that were not started are dropped; running ones can finish and be committed one last time."""
    made = assignment()
    accept(made, LOW, 0, 1)
    slices = made.take()
    accept(made, LOW, 2, 3)

    dropped = made.drop([LOW])
    end(slices)

    assert made.take() == []
    assert dropped[LOW].offsets.uncommitted_offset == 2
    assert LOW not in made.partitions


def test_a_partition_read_before_it_was_announced_is_kept() -> None:
    """Records from a partition that is not known yet are not dropped: a later commit would lose them."""
    made = Assignment(["low"], StageLimits())
    accept(made, LOW, 4)

    assert positions(made.take()) == [("low", 0, 4)]


def test_a_recreated_partition_starts_again() -> None:
    """When offsets go back, the old progress is dropped with the old tracker."""
    made = assignment()
    accept(made, LOW, 10, 11)
    old = made.take()
    with capture_logs() as logged:
        accept(made, LOW, 0)
    end(old)

    assert made.partitions[LOW].offsets.committable is None
    assert positions(made.take()) == [("low", 0, 0)]
    assert [(one["event"], one["topic"], one["partition"]) for one in logged] == [
        ("partition_truncated", "low", 0)
    ]


def test_a_record_keeps_every_field_from_kafka() -> None:
    """Topic, partition, offset, time, key, value and headers arrive unchanged."""
    made = assignment()
    accept(made, LOW, 3, key=b"k", value=b"x")

    ((_, records),) = made.take()
    assert records == [Record("low", 0, 3, 1_800_000_000_000, b"k", b"x", ())]


def test_a_producer_without_a_clock_is_named_once() -> None:
    """No timestamp (-1), zero and seconds are counted, and one line names the topic."""
    made = assignment()
    records = [
        replace(record_, timestamp=timestamp)
        for record_, timestamp in zip(
            consumer_records("low", 0, range(4), None, b"v"),
            (-1, 0, 1_800_000_000, 1_800_000_000_000),
            strict=True,
        )
    ]
    before = RECORD_TIMESTAMPS.value("low")
    with capture_logs() as logs:
        made.accept({LOW: records[:2]})
        made.accept({LOW: records[2:]})

    assert RECORD_TIMESTAMPS.value("low") - before == 3
    assert [log["event"] for log in logs] == ["record_timestamps_wrong"]


def test_a_batch_is_bounded_in_bytes_and_headers_count() -> None:
    """Large values fill a batch before its number of records does; a record that is larger alone is still taken."""
    made = assignment(max_batch_bytes=1000)
    accept(made, HIGH, *range(10), value=b"v" * 400)
    assert len(made.take()[0][1]) == 2
    assert made.partitions[HIGH].held_bytes >= 4000
    accept(made, LOW, 0, value=b"v" * 5000)
    sizes = [sum(len(records) for _, records in made.take()) for _ in range(6)]
    assert sizes == [2, 2, 2, 2, 1, 0]


def test_of_a_value_over_the_limit_only_a_part_is_held() -> None:
    """A stage that cannot use a larger value does not keep it."""
    made = assignment(max_record_bytes=1000)
    accept(made, HIGH, 0, value=b"v" * 1_000_000)
    ((_, (record,)),) = made.take()
    assert isinstance(record.value, PartialValue)
    assert (record.value.size, len(record.value)) == (1_000_000, 4096)
