"""The table of scenarios is complete, reports are right, and every patch of the product takes effect."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from service.adapters.catalogue_file import load_catalogue
from service.adapters.redis.delivery.digest_windows import RedisDigestWindows
from service.adapters.redis.delivery.mail_limits import RedisMailLimits
from service.bootstrap.parts import bootstrap
from service.bootstrap.reload import CurrentParts
from service.dev.catcher import CaughtMail
from service.model.catalogue import Lane
from service.model.event import InvalidEvent
from service.model.ledger import Entry, HistoryStep, State
from service.model.reasons import Reason
from service.pipeline.email.digest_batch import DigestBatch
from service.pipeline.email.in_flight import InFlight
from service.pipeline.resolve import ingest
from service.ports import LimitedMail, MailAllowance
from service.settings import Settings, WorkerSettings
from streams.consumer.offset_tracker import OffsetTracker
from streams.faults.points import POINTS as STAGE_POINTS
from streams.faults.ports import POINTS as HANDLER_POINTS
from streams.worker import stage_table
from tests.chaos.check import Arrived, Expected, compare
from tests.chaos.digests import with_digests
from tests.chaos.disk import SmallDisk
from tests.chaos.environment import deliveries_in, ledger_differences
from tests.chaos.fork_server import HEARTBEAT_TTL_S, SESSION_TIMEOUT_S, shorten_timeouts
from tests.chaos.patches import replace_attribute
from tests.chaos.report import RESULTS, Report, write
from tests.chaos.scenario import Scenario, Skipped
from tests.chaos.scenarios import ALL, SHORT
from tests.chaos.versions import unpack_older
from tests.chaos.worker import (
    FAILING_EVENT,
    commit_one_too_far,
    handler_failure,
    items_unclaimed,
    limit_ignored,
    window_unsealed,
)
from tests.support.catalogues import small_catalogue
from tests.support.paths import ROOT

_PERFECT = compare(Expected(), Arrived())
_NAMED = re.compile(r"""["'](?:before|after)_[a-z0-9_.]+["']""")


async def _nothing(environment: object) -> None:
    """Inject nothing."""


def test_every_kill_point_has_its_scenario() -> None:
    """Each point is in one scenario, and no scenario names a point that does not exist."""
    points = [point for scenario in ALL for point in scenario.points]
    assert sorted(points) == sorted({*HANDLER_POINTS, *STAGE_POINTS})


def test_every_point_in_the_code_is_in_the_list() -> None:
    """The points that the code passes are those of the two lists."""
    sources = (ROOT / "streams").rglob("*.py")
    named = {match.strip("\"'") for path in sources for match in _NAMED.findall(path.read_text())}
    assert named == {*HANDLER_POINTS, *STAGE_POINTS}


def test_names_are_unique() -> None:
    """`--only` and the table need that; the short selection names eight that exist."""
    names = [scenario.name for scenario in ALL]
    assert len(set(names)) == len(names)
    assert len(SHORT) == 8


def test_the_results_table_names_every_scenario() -> None:
    """A renamed scenario is renamed in docs/reliability.md too."""
    table = RESULTS.read_text().partition("<!-- chaos results")[2]
    rows = re.findall(r"^\| (.+?) \| [F-]", table, re.MULTILINE)
    assert rows == [scenario.name for scenario in ALL]


def test_a_planted_fault_must_be_caught() -> None:
    """A planted fault loses deliveries; a harness that counts none is broken."""
    scenario = Scenario("x", "-", _nothing, planted="lost")
    missed = Report(scenario, 1, result=_PERFECT)
    assert missed.outcome == "caught: no"
    assert missed.violations == ["the planted fault was not caught"]
    caught = Report(
        scenario, 1, result=replace(_PERFECT, lost_mails=1), error="1 of 9 events are not settled"
    )
    assert caught.outcome == "caught: yes"
    assert caught.violations == []


def test_a_skipped_scenario_is_neither_held_nor_broken() -> None:
    """The report says why it was skipped."""
    report = Report(Scenario("x", "-", _nothing), 1, skipped="no disk")
    assert report.outcome == "skipped: no disk"
    assert report.row()[-1] == "skipped: no disk"
    assert report.violations == []


def test_a_scenario_that_ended_early_is_broken() -> None:
    """An error breaks it even where all counts are within their bounds."""
    scenario = Scenario("x", "-", _nothing)
    assert Report(scenario, 1, result=_PERFECT).outcome == "held"
    assert Report(scenario, 1, result=_PERFECT, error="TimeoutError: ").outcome == "**BROKEN**"
    assert Report(scenario, 1, result=replace(_PERFECT, mail_duplicates=2), mail_bound=1).violations


def test_a_run_of_some_scenarios_keeps_the_rows_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are in the order of the scenarios; one that no scenario has any more goes."""
    results = tmp_path / "reliability.md"
    results.write_text(RESULTS.read_text())
    monkeypatch.setattr("tests.chaos.report.RESULTS", results)
    names = ["b", "a", "c"]
    for run in (["a", "b", "gone"], ["c", "a"]):
        reports = [Report(Scenario(name, "F1", _nothing), len(run), result=_PERFECT) for name in run]
        write(reports, [*names, "gone"] if "gone" in run else names, "make chaos", 60.0)

    table = results.read_text().partition("<!-- chaos results")[2]
    assert re.findall(r"^\| (\w+) \| F1 \| (\d)", table, re.MULTILINE) == [("b", "3"), ("a", "2"), ("c", "2")]
    assert "1 rows are of earlier runs" in " ".join(table.split())


def test_a_full_disk_is_full(tmp_path: Path) -> None:
    """No byte can be written until it is freed. The test is skipped on a machine that cannot mount."""
    disk = SmallDisk(tmp_path / "disk", megabytes=1)
    try:
        disk.__enter__()
    except Skipped as reason:
        pytest.skip(str(reason))
    try:
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            (disk.folder / "more").write_bytes(b"x")
        disk.free()
        (disk.folder / "more").write_bytes(b"x")
    finally:
        disk.__exit__(None, None, None)
    assert not (tmp_path / "disk" / "more").exists()


def test_without_history_there_is_no_older_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an exported tree the upgrade is skipped, not passed."""
    monkeypatch.setattr("tests.chaos.versions.ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", os.fspath(tmp_path.parent))
    with pytest.raises(Skipped, match="history"):
        unpack_older("", tmp_path / "out")


@pytest.mark.skipif(shutil.which("git") is None, reason="no git here")
def test_an_older_version_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code is that of the revision, not of the work tree; without a revision, that of the last tag."""
    home, out = tmp_path / "home", tmp_path / "out"
    for folder in ("service", "streams", "templates"):
        (home / folder).mkdir(parents=True)
        (home / folder / "file").write_text("old")

    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.com")
        subprocess.run(["git", *identity, *arguments], cwd=home, check=True, capture_output=True)

    for arguments in (("init",), ("add", "."), ("commit", "-m", "first"), ("tag", "v1")):
        git(*arguments)
    (home / "service" / "file").write_text("new")
    git("commit", "-a", "-m", "second")
    monkeypatch.setattr("tests.chaos.versions.ROOT", home)
    unpack_older("", out)
    assert (out / "service" / "file").read_text() == "old"
    unpack_older("HEAD", out)
    assert (out / "service" / "file").read_text() == "new"


def test_a_patch_of_a_missing_attribute_fails() -> None:
    """A rename in the product must not disable a patch unnoticed."""

    class Owner:
        timeout_s = 1.0

    replace_attribute(Owner, "timeout_s", 2.0)
    assert Owner.timeout_s == 2.0
    with pytest.raises(AttributeError):
        replace_attribute(Owner, "timeout_seconds", 2.0)


def test_shorter_timeouts_reach_the_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forked workers have the short session timeout in every stage, and the short TTL of the heartbeat."""
    shorten_timeouts(monkeypatch.setattr)
    parts = bootstrap(Settings(worker=WorkerSettings(stages=("resolve", "inbox", "email"))))

    timeouts = [spec.limits.session_timeout_s for spec in stage_table.specs(CurrentParts(parts))]
    assert timeouts
    assert set(timeouts) == {SESSION_TIMEOUT_S}
    assert InFlight.TTL_S == HEARTBEAT_TTL_S


def test_the_planted_commit_is_one_too_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the planted fault, the committer commits a record that is not finished."""
    commit_one_too_far(monkeypatch.setattr)
    tracker = OffsetTracker()
    tracker.deliver([0, 1])
    tracker.finish(0)

    assert tracker.uncommitted_offset == 2


def test_the_planted_handler_failure_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the planted fault, parsing fails with an error that the handler does not expect; other events are parsed."""
    handler_failure(monkeypatch.setattr)

    with pytest.raises(RuntimeError, match="planted"):
        ingest.parse(FAILING_EVENT, (), small_catalogue(), 0)
    with pytest.raises(InvalidEvent):
        ingest.parse(b"{", (), small_catalogue(), 0)


async def test_the_planted_faults_of_digests_and_limits_take_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused items are sent, windows stay open, and every third mail finds room."""

    async def refusing(self: object, ids: object) -> set[str]:
        return {"digest"}

    async def full(self: object, mails: Sequence[object], now_ms: int) -> list[int]:
        return [now_ms + 1] * len(mails)

    class Windows(RedisDigestWindows):
        def __init__(self) -> None:
            """Store nothing."""

        async def content(self, digests: Sequence[tuple[str, str]]) -> list[None]:
            return [None] * len(digests)

    monkeypatch.setattr(DigestBatch, "claim", refusing)
    monkeypatch.setattr(RedisMailLimits, "take", full)
    items_unclaimed(monkeypatch.setattr)
    window_unsealed(monkeypatch.setattr)
    limit_ignored(monkeypatch.setattr)

    assert await DigestBatch.claim(object(), ["digest"]) == set()  # type: ignore[arg-type]
    mails = [LimitedMail("alice", one, "winner", Lane.normal, MailAllowance(1)) for one in ("03", "04", "05")]
    assert await RedisMailLimits.take(object(), mails, 7) == [0, 8, 8]  # type: ignore[arg-type]
    assert await Windows().seal([]) == []


def test_the_catalogue_of_digests_lists_each_item(tmp_path: Path) -> None:
    """Each item has a line, so that the sink can count all of them."""
    folder = Path(with_digests(3)(tmp_path)["TOCSIN_TEMPLATES__DIRECTORY"])
    winner = load_catalogue(folder)["winner"]
    assert winner.digest is not None
    assert (winner.digest.wait_s, winner.digest.most, winner.lane) == (3, 100, Lane.normal)


def test_the_items_of_a_digest_are_counted() -> None:
    """A mail that is sent alone has its lot in its subject, a digest one in each line."""
    alone = CaughtMail(
        "", ("a@x",), b"Subject: You won lot c1-1\r\n\r\nYour bid on lot c1-1 was the winning one.\r\n"
    )
    assert deliveries_in(alone) == [("c1-1", "a@x")]
    digest = CaughtMail(
        "", ("a@x",), b"Subject: Lot won: 2\r\n\r\n- You won lot c1-1.\r\n- You won lot c1-2.\r\n"
    )
    assert deliveries_in(digest) == [("c1-1", "a@x"), ("c1-2", "a@x")]


def test_an_item_must_come_in_the_message_that_the_ledger_says() -> None:
    """In its digest, or alone; one that is sent and did not come is a difference, too."""
    steps = (HistoryStep(State.sent, Reason.none, 1),)
    entries = {"1": [Entry("e1", "w", "a", "email", steps)], "2": [Entry("e2", "d2", "a", "email", steps)]}
    same = {("1", "a@x"): {"w@host"}, ("2", "a@x"): {"d2@host"}}
    assert ledger_differences(same, entries) == 0
    assert ledger_differences(same | {("1", "a@x"): {"other@host"}}, entries) == 2
    assert ledger_differences({("1", "a@x"): {"w@host"}}, entries) == 1
