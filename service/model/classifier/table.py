"""The rows of table.toml, compiled: phase, code, enhanced code and words → who is at fault and what follows."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.model.classifier.diagnosis import Certainty, Fault, RelayEffect, SmtpPhase
from service.model.mail import SendStatus
from service.model.reasons import ResultReason, result_reason

# "…" is up to six words within a sentence, "~" up to two: see table.toml
_GAP = r"[^ .;!?]{0,20}(?: [^ ]{0,63}[^ .;!?]){0,%d} \W{0,3}"
_GAPS = {" … ": _GAP % 6, " ~ ": _GAP % 2}


@dataclass(frozen=True, slots=True)
class Rule:
    """A row: it matches when everything that it names matches, and `unless` does not. Enhanced codes lack their class.

    `on_5xx` and `on_4xx`: the status for each class. `suppress` holds for a permanent refusal, `scores` for both.
    """

    name: str
    fault: Fault
    reason: ResultReason
    words: re.Pattern[str] | None = None
    unless: re.Pattern[str] | None = None
    code: re.Pattern[str] | None = None
    enhanced: re.Pattern[str] | None = None
    phases: frozenset[SmtpPhase] = frozenset()
    certainty: Certainty = Certainty.certain
    on_5xx: SendStatus = SendStatus.bounced
    on_4xx: SendStatus = SendStatus.deferred
    suppress: bool = False
    scores: bool = False
    wait_s: float | None = None
    effect: RelayEffect = RelayEffect.none

    def matches(self, code: str, detail: str, text: str, phase: SmtpPhase | None) -> bool:
        """Return whether this row is about a refusal. `detail`: the enhanced code without its class, "-" for none."""
        return (
            (not self.phases or phase in self.phases)
            and (self.code is None or self.code.match(code) is not None)
            and (self.enhanced is None or self.enhanced.fullmatch(detail) is not None)
            and (self.words is None or self.words.search(text) is not None)
            and (self.unless is None or self.unless.search(text) is None)
        )


class _Phrases:
    """The lists of words, each as one pattern. Raise KeyError for a list or a noun that is not there."""

    def __init__(self, nouns: Mapping[str, str], words: Mapping[str, Sequence[str]]) -> None:
        self._nouns = nouns
        self._words = words

    def pattern(self, phrases: Sequence[str]) -> re.Pattern[str] | None:
        """Return the pattern of any of the phrases and of the lists named by "@"; None without a phrase."""
        if not phrases:
            return None
        listed = [
            one for phrase in phrases for one in (self._words[phrase[1:]] if phrase[0] == "@" else (phrase,))
        ]
        pattern = re.sub(r"\{([a-z]+)\}", lambda noun: self._nouns[noun[1]], "|".join(listed))
        for sign, gap in _GAPS.items():
            pattern = pattern.replace(sign, gap)
        pattern = re.sub(r"(?<!\\)\((?!\?)", "(?:", pattern)
        return re.compile(rf"(?<![a-z0-9])(?:{pattern})")


def _enhanced(codes: str) -> re.Pattern[str] | None:
    globs = codes.replace(".", r"\.").replace("?", r"\d").replace("*", r"\d{1,3}").split()
    return re.compile("|".join(globs)) if globs else None


def _rule(row: Mapping[str, Any], phrases: _Phrases) -> Rule:
    return Rule(
        name=row["name"],
        fault=Fault(row["fault"]),
        reason=result_reason(row["reason"]),
        words=phrases.pattern(row.get("words", ())),
        unless=phrases.pattern(row.get("unless", ())),
        code=re.compile(row["code"]) if "code" in row else None,
        enhanced=_enhanced(row.get("enhanced", "")),
        phases=frozenset(map(SmtpPhase, row.get("phases", ()))),
        certainty=Certainty(row.get("certainty", Certainty.certain)),
        on_5xx=SendStatus(row.get("on_5xx", SendStatus.bounced)),
        on_4xx=SendStatus(row.get("on_4xx", SendStatus.deferred)),
        suppress=row.get("suppress", False),
        scores=row.get("scores", False),
        wait_s=row.get("wait_s"),
        effect=RelayEffect(row.get("effect", RelayEffect.none)),
    )


def _load() -> tuple[tuple[Rule, ...], _Phrases]:
    document = tomllib.loads(Path(__file__).with_name("table.toml").read_text(encoding="utf-8"))
    phrases = _Phrases(document["nouns"], document["words"])
    return tuple(_rule(row, phrases) for row in document["table"]["rules"]), phrases


TABLE, _phrases = _load()
"""The rules in order: the first one that matches decides."""
EXPIRED = _phrases.pattern(["@expired"])
"""The words of a server that has stopped trying."""
DELAYED = _phrases.pattern(["@delayed"])
"""The words of a notice that nothing is decided yet."""
