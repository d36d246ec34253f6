"""`tocsin top` without a terminal: what it shows of hostile data, and what its keys do."""

from collections.abc import Mapping
from typing import Any

import pytest
from rich.cells import cell_len

pytest.importorskip("textual", reason="needs the extra tui")

from textual.widgets import DataTable, Static

from service.cli.top.screen import Dialog, TopApp
from service.cli.top.snapshot import Failure, OutcomeWindow, Snapshot
from service.model.ids import delivery_id, event_key
from service.model.ledger import State
from service.model.outcome import Outcome
from service.model.relay import RelayReply, RelayReport, RelayState
from service.model.worker import StageReport, StageState, WorkerReport
from service.pipeline.operate.problems import CurrentProblem, ProblemKind

NOW_MS = 1_790_000_000_000
HOSTILE = "<script>[red]x\x1b[31m\u202e田中"
KEY = event_key("/s", "e")
REPLY = RelayReply(at_ms=NOW_MS, code=550, text=HOSTILE)
WORKER = WorkerReport(
    worker="w1", at_ms=NOW_MS, started_ms=NOW_MS, version="1",
    stages=(StageReport(worker="w1", stage="email.high", state=StageState.paused, since_ms=NOW_MS, lag=12345),),
    relays=(RelayReport(worker="w1", relay="relay1", state=RelayState.ok, since_ms=NOW_MS, replies=(REPLY,)),),
)  # fmt: skip
BOUNCED = Failure(
    NOW_MS - 5000, "bounced", "overbid", HOSTILE, "mailbox_unknown", "550 a@example.com", KEY, "email"
)
DEAD = Failure(
    NOW_MS - 9000, "open", "", "resolve", "invalid_json", "not JSON", dead_letter="dispatch.dead-letter:0:1"
)


class FakeSource:
    """A snapshot that does not change, and a note of what was sent again."""

    def __init__(self) -> None:
        self.sent: list[Failure] = []

    async def snapshot(self) -> Snapshot:
        problem = CurrentProblem(ProblemKind.relay_resting, "relay1", NOW_MS - 60_000, HOSTILE, "wait")
        return Snapshot(
            NOW_MS, [WORKER], [problem], None, {"sent": 20_000}, [("overbid", 20_000)], [BOUNCED, DEAD]
        )

    async def explain(self, failure: Failure) -> Mapping[str, Any]:
        step = {"state": "bounced", "at_ms": NOW_MS, "reason": "mailbox_unknown", "detail": HOSTILE}
        return {"events": [{"deliveries": [{"channel": "email", "state": "bounced", "steps": [step]}]}]}

    async def send_again(self, failure: Failure) -> str:
        self.sent.append(failure)
        return "1 redriven"


def _texts(app: TopApp, id_: str) -> list[list[str]]:
    table = app.query_one(f"#{id_}", DataTable)
    return [[str(cell) for cell in table.get_row_at(n)] for n in range(table.row_count)]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
async def test_hostile_data_are_text(width: int) -> None:
    """Escapes are shown, markup is not read, addresses are masked; no line of the screen is too wide."""
    app = TopApp(FakeSource())
    async with app.run_test(size=(width, 40)) as pilot:
        await pilot.pause()

        (bounced, dead), (stage,), (relay,) = (_texts(app, n) for n in ("failures", "stages", "relays"))
        assert bounced == [
            "5 s ago", "bounced", "overbid", "<script>[red]x\\x1b[31m\\u202e田中", "mailbox_unknown",
            "550 a•••@e•••.com",
        ]  # fmt: skip
        assert dead[1:] == ["open", "", "resolve", "invalid_json", "not JSON"]
        assert stage[:4] == ["email.high", "paused", "0", "12\u202f345"]
        assert relay[5] == "550 <script>[red]x\\x1b[31m\\u202e田中"
        assert "relay1" in str(app.query_one("#summary", Static).render())
        assert "20\u202f000 sent" in str(app.query_one("#rates", Static).render())
        lines = app.screen._compositor.render_strips()
        assert all(
            cell_len(strip.text) <= width and strip.text.replace("\u202f", " ").isprintable()
            for strip in lines
        )


async def test_enter_explains_the_failure_under_the_cursor() -> None:
    """With its history; Escape closes it."""
    app = TopApp(FakeSource())
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, Dialog)
        assert "mailbox_unknown: the mailbox does not exist" in str(app.screen.text)
        assert "\x1b" not in str(app.screen.text)
        await pilot.press("escape")
        await pilot.pause()
        assert not isinstance(app.screen, Dialog)


@pytest.mark.parametrize(("answer", "sent"), [("y", [DEAD]), ("n", []), ("escape", [])])
async def test_r_asks_before_it_sends(answer: str, sent: list[Failure]) -> None:
    """Only y sends; the failure is the one under the cursor."""
    source = FakeSource()
    app = TopApp(source)
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("down", "r")
        await pilot.pause()
        assert isinstance(app.screen, Dialog)
        assert "Redrive the dead letter dispatch.dead-letter:0:1?" in str(app.screen.text)
        await pilot.press(answer)
        await pilot.pause()

    assert source.sent == sent


def test_rates_are_those_of_the_last_minute() -> None:
    """What is older is forgotten; failures are kept, the newest first."""
    window = OutcomeWindow()
    for second, state in enumerate((State.bounced, State.sent, State.sent)):
        outcome = Outcome(
            delivery_id(KEY, str(second), "email"), KEY, "overbid", str(second), "email", state, second
        )
        window.add(outcome, second * 1000)

    window.forget(60_500)

    assert window.states == {"sent": 2}
    assert window.types == [("overbid", 2)]
    assert [failure.recipient for failure in window.failures] == ["0"]
