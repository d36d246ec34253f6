"""Every command under a pseudo-terminal of 60 to 200 columns, with data that a stranger chose.

No line is wider than the terminal, no word is cut without an ellipsis, no character controls the terminal.
"""

import json
import subprocess
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from service.bootstrap.parts import Parts
from service.dev.sample_run import follow, publish_samples
from service.dev.stack import DevStack
from service.model.ids import delivery_id, event_key
from service.model.ledger import State
from service.model.outcome import Outcome
from service.model.reasons import Reason
from service.model.recipient import Recipient
from service.model.record import Message
from streams.kafka.connection import kafka_connection
from streams.producer.producer import Producer
from tests.e2e.cli.tocsin import COMMAND
from tests.support.dev_stack import stack_in
from tests.support.environment import inherited_environment, port_variables
from tests.support.terminal import lines_of, run_in_terminal, terminal_faults
from tests.support.wait import eventually

pytestmark = pytest.mark.timeout(900)
_shared = pytest.mark.asyncio(loop_scope="module")

WIDTHS = (60, 80, 120, 200)
LONG = "order-" + "0123456789" * 11
SCRIPT = "<script>alert(1)</script>"
WIDE, RIGHT_TO_LEFT = "田中太郎の通知先" * 4, "שלום-עולם"
PEOPLE = (LONG, SCRIPT, WIDE, RIGHT_TO_LEFT, "bounces")
EVENT = f"{WIDE}-{LONG}"
ESCAPES = "\x1b[2J\x1b]0;owned\x07\u202egnirts\u200b\u200d 550"
SOURCE = "/terminal"


@dataclass(frozen=True)
class Running:
    """A stack of `tocsin dev` with hostile data, and the environment of commands on it."""

    stack: DevStack
    parts: Parts
    environment: dict[str, str]
    command: Sequence[str]
    dead_letter: str = ""

    def piped(self, *arguments: str) -> str:
        """Run a command with its output in a pipe; return stdout and stderr."""
        result = subprocess.run(
            [*self.command, *arguments], env=self.environment, capture_output=True, check=False, timeout=120
        )
        return result.stdout.decode() + result.stderr.decode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory, command: Sequence[str]) -> AsyncIterator[Running]:
    """Yield the stack; every delivery of the hostile event is finished."""
    stack = stack_in(tmp_path_factory.mktemp("stack"))
    try:
        parts = await stack.start()
        await follow(parts, await publish_samples(parts), 120)
        await _write_hostile_data(parts)
        running = Running(
            stack,
            parts,
            inherited_environment() | {"TOCSIN_MODE": "dev"} | port_variables(stack.settings.dev),
            command,
        )
        listed = running.piped("dead-letters", "list", "--json").splitlines()
        yield replace(running, dead_letter=json.loads(listed[0])["id"])
    finally:
        await stack.stop()


async def _write_hostile_data(parts: Parts) -> None:
    """Recipients, an event, dead letters, an outcome, a suppression and a key, each with text that does harm."""
    addresses = {"bounces": "bounced@simulator.test"}
    await parts.writes.put_recipients(
        [Recipient(id=id_, address=addresses.get(id_, "x@example.com"), version=1) for id_ in PEOPLE]
    )
    event = {
        "specversion": "1.0",
        "id": EVENT,
        "source": SOURCE,
        "type": "overbid",
        "time": "2026-01-01T00:00:00Z",
        "recipients": json.dumps(PEOPLE),
        "data": {"lot_id": "7"},
    }
    key = event_key("/other", "e")
    outcome = Outcome(
        delivery_id(key, SCRIPT, "email"), key, "overbid", SCRIPT, "email", State.bounced,
        parts.clock.now_ms(), Reason.mailbox_unknown, relay=ESCAPES, reply=ESCAPES, detail=ESCAPES, event_id="e",
    )  # fmt: skip
    topics, events = parts.topics, parts.settings.kafka.events[0]
    producer = Producer(kafka_connection(parts.settings.kafka))
    await producer.start()
    try:
        await producer.publish([Message(events, b"k", json.dumps(event).encode())])
        await producer.publish([Message(events, b"k", f"{{{ESCAPES}{WIDE}{LONG}".encode())])
        await producer.publish([Message(topics.outcomes, b"k", outcome.to_bytes())])
        await parts.table_writer(producer).suppress(
            "y@example.com", Reason.by_operator, f"by {SCRIPT} {WIDE}"
        )

        async def finished() -> bool:
            entries = [entry async for entry in parts.ledger.entries(event_key(SOURCE, EVENT))]
            return len(entries) >= 2 * len(PEOPLE) and not any(
                entry.state in (State.queued, State.sending) for entry in entries
            )

        await eventually(finished, 60)
    finally:
        await producer.stop()


VERBS: dict[str, tuple[str, ...]] = {
    "explain an event": ("explain", "--event", EVENT),
    "explain a person": ("explain", "--recipient", SCRIPT),
    "explain nothing": ("explain", "--event", f"no{LONG}"),
    "tail": ("tail", "--from-beginning", "--until-end"),
    "tail every topic": ("tail", "--from-beginning", "--until-end", "events", "audit", "tables.recipients"),
    "dead-letters list": ("dead-letters", "list"),
    "dead-letters redrive": ("dead-letters", "redrive", "--all", "--dry-run"),
    "deliveries list": ("deliveries", "list"),
    "due": ("due",),
    "due list": ("due", "list"),
    "due release": ("due", "release", "--all", "--dry-run"),
    "relays": ("relays", "--replies"),
    "replay": ("replay", "--since", "1h", "--dry-run"),
    "suppressions list": ("suppressions", "list"),
    "keys list": ("keys", "list"),
    "topics list": ("topics", "list"),
    "topics apply": ("topics", "apply"),
    "audit": ("audit",),
    "types list": ("types", "list"),
    "types show": ("types", "show", "overbid"),
    "publish list": ("publish", "--list"),
    "publish": ("publish", "overbid", "--sample", "--id", "a"),
    "what-if": ("what-if", "--recipient", SCRIPT, "--type", "overbid"),
    "rebuild": ("rebuild", "--checksums"),
    "privacy erase": ("privacy", "erase", "alice", "--dry-run"),
    "a usage that fails": ("tail", f"{WIDE}-{LONG}"),
}
"""Commands whose words are compared with those in a pipe."""

UNCOMPARED: dict[str, tuple[str, ...]] = {
    "doctor": ("doctor",),
    "config show": ("config", "show"),
    "dead-letters show": ("dead-letters", "show", "ID"),
}
"""Commands whose values differ from run to run, or that break long data on purpose."""


@_shared
@pytest.mark.parametrize("name", [*VERBS, *UNCOMPARED])
async def test_every_line_fits(running: Running, name: str) -> None:
    """At every width; the same words as in a pipe, but for ages, and for what ends in an ellipsis."""
    arguments = [running.dead_letter if one == "ID" else one for one in (VERBS | UNCOMPARED)[name]]
    whole = running.piped(*arguments) if name in VERBS else None

    for columns in WIDTHS:
        _, output = run_in_terminal([*running.command, *arguments], running.environment, columns)
        assert not terminal_faults(output, columns, whole), f"{columns} columns"
        assert output.strip()


@_shared
async def test_explain_is_readable_at_80_columns(running: Running) -> None:
    """Each delivery with its state, its recipient, its masked address and its age; the relay's own words below."""
    _, output = run_in_terminal(
        [*running.command, "explain", "--event", EVENT, "--recipient", "bounces"], running.environment, 80
    )

    lines = lines_of(output)
    begin = next(n for n, line in enumerate(lines) if line.startswith("  bounced"))
    assert lines[begin].split()[:4] == ["bounced", "email", "bounces", "b•••@s•••.test"]
    assert lines[begin].endswith("ago")
    assert f"mailbox_unknown: {Reason.mailbox_unknown.text}" in " ".join(" ".join(lines[begin:]).split())
    assert any(line.startswith("    relay1: 550 5.1.1") for line in lines[begin:])


@_shared
async def test_tail_says_what_it_follows_and_colours_states(running: Running) -> None:
    """The topics, the filters and the beginning; then records in aligned columns."""
    _, output = run_in_terminal(
        [*running.command, "tail", "outcomes", "--from-beginning", "--until-end", "--state", "sent"],
        running.environment, 120,
    )  # fmt: skip

    lines = [line for line in lines_of(output) if line]
    assert lines[0] == ("following dispatch.outcomes; only state sent; from the beginning to the present end")
    assert len({line.index("sent") for line in lines[1:]}) == 1
    assert "\x1b[32msent" in output


@_shared
async def test_top_runs_until_it_is_closed(running: Running) -> None:
    """At every width; it shows the stages of the worker."""
    for columns in WIDTHS:
        code, output = run_in_terminal(
            [*COMMAND, "top"], running.environment, columns, keys=(b"resolve", b"q")
        )
        assert code == 0, output
        assert "running" in output


@_shared
async def test_the_audit_is_green_after_every_operation(running: Running, tmp_path: Path) -> None:
    """Suppress and release, redrive, discard, replay, replay with --again, import, erase; each leaves no difference."""
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"id": f"new-{uuid4().hex}", "address": "n@example.com"}) + "\n")
    operations = (
        ("suppressions", "add", "z@example.com", "--reason", SCRIPT),
        ("suppressions", "remove", "z@example.com"),
        ("dead-letters", "redrive", running.dead_letter, "--yes"),
        ("replay", "--event", EVENT, "--yes", "--rate", "100"),
        ("replay", "--event", EVENT, "--again", "--state", "sent", "--yes", "--rate", "100"),
        ("replay", "--event", EVENT, "--again", "--state", "delivered", "--yes", "--rate", "100"),
        ("dead-letters", "discard", "--all", "--yes"),
        ("keys", "create", SCRIPT),
        ("recipients", "import", str(rows)),
        ("privacy", "erase", RIGHT_TO_LEFT, "--yes"),
    )
    for operation in operations:
        code, output = run_in_terminal([*running.command, *operation], running.environment, 80)
        assert code == 0, output
        assert not terminal_faults(output, 80)
        await _open_deliveries_are_finished(running)
        audit = json.loads(running.piped("audit", "--json").splitlines()[0])
        assert (audit["balanced"], audit["drift"]) == (True, []), (operation, audit)


async def _open_deliveries_are_finished(running: Running) -> None:
    async def finished() -> bool:
        entries = [entry async for entry in running.parts.ledger.entries(event_key(SOURCE, EVENT))]
        return not any(entry.state in (State.queued, State.sending) for entry in entries)

    await eventually(finished, 60)


def test_the_check_notices_each_fault() -> None:
    """A line that is too wide, a character that controls the terminal, a word that is cut: each planted once."""
    assert terminal_faults("a" * 61 + "\r\n", 60) == [f"61 cells: {'a' * 61!r}"]
    assert terminal_faults("田" * 31, 60) == [f"62 cells: {'田' * 31!r}"]
    assert "control character" in terminal_faults("a\x1b[2Jb", 60)[0]
    assert "control character" in terminal_faults("a\u202eb", 60)[0]
    assert terminal_faults("日本\r\n語", 60, "日本語") == []
    assert terminal_faults("mail\r\nbox", 60, "mailbox")[0].startswith("cut: 'mail'")
    assert not terminal_faults("\x1b[31mmail…\x1b[0m 3 min ago\r\n", 60, "mailbox")
    assert not terminal_faults("searching: 1\r\x1b[2Kdone\r\n", 60, "done")
