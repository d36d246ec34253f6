"""The report of the pipeline benchmark: its ratios, and its line of JSON."""

from bench.peers.modes import MODES
from bench.report import Result, json_line, ratios, summary


def _result(
    side: str, rates: list[float], cpu_us: list[float], *, load_us: float = 0, lost: int = 0
) -> Result:
    """Return a result whose CPU is that of two processes, beside the load's."""
    runs = [{"worker": total / 4, "kafka": total * 3 / 4, "load": load_us} for total in cpu_us]
    return Result("inbox", side, rates, runs, lost=lost)


def test_over_one_is_better_for_tocsin() -> None:
    """Twice the rate for half of the CPU is 2 by both."""
    [ratio] = ratios([_result("tocsin", [200], [100]), _result("faststream-ledger", [100], [200])])
    assert (ratio.case, ratio.peer, ratio.rate, ratio.cpu) == ("inbox", "faststream-ledger", 2, 2)


def test_under_one_is_better_for_the_peer() -> None:
    [ratio] = ratios([_result("tocsin", [100], [300]), _result("faststream-ledger", [400], [150])])
    assert (ratio.rate, ratio.cpu) == (0.25, 0.5)


def test_rounds_are_compared_with_themselves() -> None:
    """A machine that is slow in one round is slow for both sides; the ratio of the medians would be 4."""
    tocsin = _result("tocsin", [40, 100, 200], [400, 100, 50])
    peer = _result("faststream-ledger", [20, 200, 25], [800, 50, 400])
    [ratio] = ratios([tocsin, peer])
    assert (ratio.rate, ratio.cpu) == (2, 2)
    assert (tocsin.rate / peer.rate, peer.cpu_total / tocsin.cpu_total) == (4, 4)


def test_load_is_not_counted() -> None:
    """The producer of the events is not a part of any side."""
    tocsin = _result("tocsin", [1], [100], load_us=900)
    [ratio] = ratios([tocsin, _result("faststream-ledger", [1], [150])])
    assert ratio.cpu == 1.5
    assert tocsin.cpu_total == 100


def test_line_of_json_has_both_ratios_for_every_peer() -> None:
    """The other keys are Tocsin's own and the peers' rates; losses are Tocsin's."""
    peers = [_result(f"faststream-{mode}", [50], [300], lost=7) for mode in MODES]
    line = json_line([_result("tocsin", [100], [100]), *peers])
    names = {f"faststream-{mode}" for mode in MODES}
    assert line["ours"] == {"inbox": 100}
    assert line["against"] == {name: {"inbox": 50} for name in names}
    assert line["rate_ratio"] == {name: {"inbox": 2} for name in names}
    assert line["cpu_ratio"] == {name: {"inbox": 3} for name in names}
    assert (line["lost"], line["duplicates"]) == (0, 0)


def test_summary_says_what_every_peer_leaves_out() -> None:
    peers = [_result(f"faststream-{mode}", [50], [300]) for mode in MODES]
    text = "\n".join(summary([_result("tocsin", [100], [100]), *peers]))
    assert all(mode.less in text for mode in MODES.values())
    assert text.count("2.00 x by rate, 3.00 x by CPU") == len(MODES)


def test_without_peers() -> None:
    results = [_result("tocsin", [100], [100])]
    assert list(summary(results)) == []
    line = json_line(results)
    assert (line["against"], line["rate_ratio"], line["cpu_ratio"]) == ({}, {}, {})
