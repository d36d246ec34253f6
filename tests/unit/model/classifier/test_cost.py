"""The cost of a classification: bounded, and linear in the length of the text."""

import random
import time
from collections.abc import Callable

import pytest

from service.model.classifier import SmtpPhase, classify, classify_report
from service.model.classifier.classify import _first_match
from service.model.classifier.text import MAX_CHARACTERS, embedded_codes, normalised, quoted_replies
from service.model.mail import Reply

SEEDS = (
    "mailbox ", "too many ", "message size ", "quota over ", "a", "user unknown recipient ", "550 5.1.1 ",
    "said: 550-5.1.1 ",
    "ip address host client ", "5.1.1", "1.2.3.", "a@", "http://", "<<<[[[(((",
    "sender not ", "our your the ", ": ", "é", "\n\t ",
    "account … ", "mailbox not be in the our my ", "user, recipient, mailbox, ",
    "blocked by your the by of ", "exceeded rate of ",
)  # fmt: skip


def _cost_s(run: Callable[[str], object], text: str) -> float:
    best = float("inf")
    for _ in range(3):
        _first_match.cache_clear()
        began = time.process_time()
        run(text)
        best = min(best, time.process_time() - began)
    return best


def _report(text: str) -> object:
    return classify_report("failed", "5.0.0", text)


def _reply(text: str) -> object:
    return classify(Reply(559, "", text), SmtpPhase.rcpt)


def _text(text: str) -> object:
    return (normalised(text), embedded_codes(text), quoted_replies(text))


@pytest.mark.parametrize("run", [_report, _reply, _text])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_cost_grows_with_the_length(run: Callable[[str], object], seed: str) -> None:
    """Double the text: at most two and a half times the time."""
    half = (seed * MAX_CHARACTERS)[: MAX_CHARACTERS // 2]
    small, large = _cost_s(run, half), _cost_s(run, half + half)

    assert large < 2.5 * small + 0.002, (small, large)


@pytest.mark.parametrize("run", [_report, _reply])
def test_no_text_is_a_trap(run: Callable[[str], object]) -> None:
    """The worst text costs less than ten times an ordinary one of its length."""
    rng = random.Random(7)
    words = [
        "the",
        "mail",
        "could",
        "not",
        "be",
        "delivered",
        "to",
        "this",
        "recipient",
        "because",
        "of",
        "error",
    ]
    ordinary = " ".join(rng.choice(words) for _ in range(500))[:MAX_CHARACTERS]
    usual = _cost_s(run, ordinary)

    for seed in SEEDS:
        assert _cost_s(run, (seed * MAX_CHARACTERS)[:MAX_CHARACTERS]) < 10 * usual + 0.002, seed


def test_a_long_text_is_cut() -> None:
    """A megabyte costs no more than the longest text that is read."""
    longest = _cost_s(_report, "mailbox unknown " * 1000)

    assert _cost_s(_report, "mailbox unknown " * 65_536) < 3 * longest + 0.005
