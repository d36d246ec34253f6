"""An answer of `explain` as text: a block for each delivery, with its state, reason, the relay's reply and history.

Every line fits the terminal; what a relay said is never cut, but wrapped.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from service.cli.support.cells import plural, width
from service.cli.support.output import console, print_text, print_wrapped, terminal_width
from service.cli.support.reason_text import reason_line
from service.cli.support.table import Column, Kind, Table
from service.cli.support.times import TimeFormat

_INDENT, _DETAIL, _LATER = "  ", "    ", "      "
_MOST_ITEMS = 10
_COLUMNS = (
    Column("state", Kind.state, priority=9),
    Column("channel", priority=7, narrow=5),
    Column("recipient", Kind.id, priority=8, narrow=16),
    Column("address", priority=4, narrow=14),
    Column("time", Kind.time, priority=6),
)


class ExplanationView:
    """Printer of the document of an ExplainQuery. `addresses`: those that are known, by delivery; may be masked."""

    def __init__(self, addresses: Mapping[str, str], times: TimeFormat) -> None:
        self._addresses = addresses
        self._times = times

    def print(self, document: Mapping[str, Any]) -> None:
        """Print people, events, and what deliveries wait for."""
        for person in document["people"]:
            self._person(person)
        for event in document["events"]:
            self._event(event)
        for problem in document.get("problems", ()):
            since = f" {self._times.since(problem['since_ms'])}" if problem["since_ms"] else ""
            line = f"waits{since}: {problem['sentence']}; {problem['remedy']}"
            print_wrapped(line, "yellow", hanging=_INDENT)

    def _person(self, person: Mapping[str, Any]) -> None:
        facts = ["not in the recipients table"]
        if person["known"]:
            facts = [person["address"] or "no address", f"roles {', '.join(person['roles']) or 'none'}"]
            facts += [
                f"{key} {'on' if choice['on'] else 'off'}{self._since(choice)}"
                for key, choice in person["preferences"].items()
            ]
        print_wrapped(f"{person['recipient']}: {'; '.join(facts)}", hanging=_INDENT)
        for block in self._blocks(person):
            print_wrapped(block, "yellow", indent=_INDENT, hanging=_DETAIL)

    def _blocks(self, person: Mapping[str, Any]) -> Iterator[str]:
        """Yield the suppression and the unsubscribes that block a recipient's mail, each with its time."""
        if suppression := person["suppressed"]:
            yield self._suppressed(suppression)
        for name, choice in person["unsubscribed"].items():
            yield f"unsubscribed from {name}{self._since(choice)}"

    def _suppressed(self, suppression: Mapping[str, Any]) -> str:
        until = f", until {self._times(suppression['until_ms'])}" if "until_ms" in suppression else ""
        return f"suppressed{self._since(suppression)}{until}: {reason_line(suppression['reason'])}"

    def _since(self, choice: Mapping[str, Any]) -> str:
        by = f" by {choice['by']}" if choice.get("by") else ""
        return f" {self._times.since(choice['since_ms'])}{by}" if choice["since_ms"] else by

    def _event(self, event: Mapping[str, Any]) -> None:
        head, times = event["event"], self._times
        print_text("")
        if "type" in head:
            print_wrapped(f"{head['type']}  {head['id']}", "bold", hanging=_INDENT)
            print_wrapped(f"of {head['source']}, key {head['key']}", indent=_INDENT, hanging=_DETAIL)
            position = f", {head['position']}" if head.get("position") else ""
            line = f"happened {times(head['time_ms'])}, received {times(head['received_ms'])}{position}"
            print_wrapped(line, indent=_INDENT, hanging=_DETAIL)
        else:
            print_wrapped(f"{head['key']}: withdrawn before the event arrived", "bold", hanging=_INDENT)
        if "withdrawn_ms" in head:
            line = f"withdrawn by its source {times(head['withdrawn_ms'])}"
            print_wrapped(line, "yellow", indent=_INDENT, hanging=_DETAIL)
        for rule in event["audience"]:
            print_wrapped(f"audience: {_rule(rule)}", indent=_INDENT, hanging=_DETAIL)
        self._deliveries(event["deliveries"])
        for missing in event["not_made"]:
            line = f"not notified: {missing['recipient']} by {missing['channel']}"
            print_wrapped(f"{line}, {missing['reason']}: {missing['words']}", indent=_INDENT, hanging=_DETAIL)
        _print_sums(event["sums"])

    def _deliveries(self, deliveries: Sequence[Mapping[str, Any]]) -> None:
        """Print each delivery on a line of aligned columns, and its details below it."""
        rows = [
            {
                **{name: delivery[name] for name in ("state", "channel", "recipient")},
                "address": self._addresses.get(delivery["delivery"], ""),
            }
            for delivery in deliveries
        ]
        lines = [
            [*(c.cell(row[c.name], self._times, grouping=True) for c in _COLUMNS[:-1]), self._at(delivery)]
            for row, delivery in zip(rows, deliveries, strict=True)
        ]
        columns_wide = terminal_width()
        if columns_wide is not None:
            columns_wide -= len(_INDENT)
        table = Table.of_lines(_COLUMNS, lines, columns_wide, headed=False)
        for line, delivery in zip(lines, deliveries, strict=True):
            text = table.styled(line)
            text.pad_left(len(_INDENT))
            console().print(text, soft_wrap=True)
            self._details(delivery)

    def _at(self, delivery: Mapping[str, Any]) -> str:
        return self._times(delivery["steps"][0]["at_ms"])

    def _details(self, delivery: Mapping[str, Any]) -> None:
        last, attempts = delivery["steps"][0], delivery["attempts"]
        if delivery["reason"]:
            print_wrapped(reason_line(delivery["reason"]), indent=_DETAIL, hanging=_LATER)
        if (text := _words(last)) and not delivery["digest"]:
            print_wrapped(text, indent=_DETAIL, hanging=_LATER)
        if line := self._waits(delivery):
            print_wrapped(line, "yellow", indent=_DETAIL, hanging=_LATER)
        if items := delivery["items"]:
            ids = ", ".join(item.get("event_id", item["delivery"]) for item in items[:_MOST_ITEMS])
            more = f" and {len(items) - _MOST_ITEMS} more" if len(items) > _MOST_ITEMS else ""
            print_wrapped(f"{plural(len(items), 'item')}: {ids}{more}", indent=_DETAIL, hanging=_LATER)
        decided = delivery["decided"] if delivery["decided"] != last["detail"] else ""
        facts = (
            f"rule {delivery['found']} {delivery['scope'].removesuffix('|')}".strip(),
            decided,
            plural(attempts, "attempt") if attempts else "",
        )
        print_wrapped("; ".join(filter(None, facts)), "dim", indent=_DETAIL, hanging=_LATER)
        for block in self._current_blocks(delivery):
            print_wrapped(f"current: {block}", "yellow", indent=_DETAIL, hanging=_LATER)
        self._history(delivery["steps"][1:])

    def _waits(self, delivery: Mapping[str, Any]) -> str:
        """Return until when a delivery is held or deferred, or which digest it is in."""
        at = self._times(delivery["next_ms"]) if delivery["next_ms"] else ""
        if digest := delivery["digest"]:
            state = f"held until {at}" if at else digest["state"] or "which has ended"
            return f"in the digest {digest['delivery']}, {state}"
        if not at:
            return ""
        return f"held until {at}" if delivery["state"] == "held" else f"next attempt {at}"

    def _history(self, steps: Sequence[Mapping[str, Any]]) -> None:
        """Print the earlier states, newest first, each with its time, reason, relay and reply."""
        ages = [self._times(step["at_ms"]) for step in steps]
        for step, at in zip(steps, ages, strict=True):
            begin = f"{_LATER}{at.rjust(max(map(width, ages)))}  {step['state']:<8}"
            text = ": ".join(filter(None, (step["reason"], _words(step))))
            hanging = " " * (width(begin) + 2) if len(begin) < 32 else _LATER + _INDENT
            print_wrapped(f"{begin}  {text}".rstrip() if text else begin.rstrip(), "dim", hanging=hanging)

    def _current_blocks(self, delivery: Mapping[str, Any]) -> Iterator[str]:
        """Yield what would block the same delivery now."""
        stopped = delivery["stopped"] or {}
        if "suppressed" in stopped:
            yield self._suppressed(stopped["suppressed"])
        if "unsubscribed" in stopped:
            yield f"unsubscribed{self._since(stopped['unsubscribed'])}"
        if (choice := delivery["preference"]) and not choice["on"]:
            yield f"preference off{self._since(choice)}"


def _words(step: Mapping[str, Any]) -> str:
    """Return a step's relay with its reply, and its detail."""
    relay, reply = step.get("relay", ""), step.get("reply", "")
    return " ".join(filter(None, (f"{relay}: {reply}" if relay else reply, step["detail"])))


def _rule(rule: Mapping[str, Any]) -> str:
    kind = rule["rule"]
    values = (
        f"{name.replace('_', ' ')} {value}".removeprefix(f"{kind} ")
        for name, value in rule.items()
        if name != "rule" and value
    )
    return f"{kind} {', '.join(values)}".rstrip()


def _print_sums(sums: Mapping[str, Any]) -> None:
    counts = ", ".join(f"{n} {state}" for state, n in {**sums["final"], **sums["open"]}.items())
    equal = "=" if sums["balanced"] else "≠"
    resolved = f"{plural(sums['resolved'], 'delivery')} to {plural(sums['recipients'], 'recipient')}"
    print_wrapped(f"{resolved} {equal} {counts or 'none'}", indent=_INDENT, hanging=_DETAIL)
