"""Partitions as log lines name them: compact, because a stage may read hundreds."""

from collections.abc import Iterable


def partition_names(partitions: Iterable[tuple[str, int]]) -> list[str]:
    """Return each topic with the ranges of its partitions, as `events:0-5,8`."""
    topics: dict[str, list[int]] = {}
    for topic, number in sorted(set(partitions)):
        topics.setdefault(topic, []).append(number)
    return [f"{topic}:{','.join(_ranges(numbers))}" for topic, numbers in topics.items()]


def _ranges(numbers: list[int]) -> Iterable[str]:
    """Yield sorted numbers in ranges."""
    begin = end = numbers[0]
    for number in [*numbers[1:], -1]:
        if number != end + 1:
            yield str(begin) if begin == end else f"{begin}-{end}"
            begin = number
        end = number
