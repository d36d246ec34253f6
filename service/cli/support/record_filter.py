"""The records that `tail` and `listen` show: by their fields, from a time on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.cli.support.record_view import RecordView
from service.cli.support.times import iso


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """The records to show: for each field the values that match; and where to begin and to stop."""

    fields: Mapping[str, frozenset[str]]
    since_ms: int | None
    until_end: bool
    limit: int = 0

    @classmethod
    def of_options(
        cls,
        options: Mapping[str, Sequence[str] | None],
        since_ms: int | None,
        *,
        until_end: bool,
        limit: int = 0,
    ) -> "RecordFilter":
        """Return the filter of options, each of which is a field; one without values matches everything."""
        fields = {name: frozenset(values) for name, values in options.items() if values}
        return cls(fields, since_ms, until_end, limit)

    def matches(self, view: RecordView) -> bool:
        """Return True when each field of the filter has one of its values in the record."""
        return all(not values.isdisjoint(view.fields.get(name, ())) for name, values in self.fields.items())

    def described(self, topics: Sequence[str]) -> str:
        """Return which records are shown, as a sentence."""
        only = "".join(f"; only {name} {' or '.join(sorted(values))}" for name, values in self.fields.items())
        begin = "now" if self.since_ms is None else iso(self.since_ms) if self.since_ms else "the beginning"
        end = "to the present end" if self.until_end else "on; Ctrl-C stops"
        return f"following {', '.join(topics)}{only}; from {begin} {end}"
