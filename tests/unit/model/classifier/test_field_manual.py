"""The replies of the SMTP field manual (smtpfieldmanual.com), where it is installed: at most three may be wrong.

The expectations follow the manual's descriptions. Its texts are not copied.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.adapters.smtp.replies import to_reply
from service.model.classifier import Diagnosis, SmtpPhase, classify
from service.model.mail import SendStatus
from service.model.reasons import Reason
from tests.support.paths import CORPORA

MANUAL = CORPORA / "smtp-field-manual" / "data" / "codes"

# the entries about a mailbox that does not exist or is given up, as reply code, provider and status
DEAD = frozenset((Path(__file__).parent / "field_manual.txt").read_text(encoding="utf-8").split())
FULL = re.compile(
    r"over ?quota|quota (?:exceeded|violation)|exceeded storage|size limit exceeded|boite .* pleine", re.I
)
OURS = re.compile(
    r"dmarc|\bspf\b|ptr|spamhaus|reputation|client (?:host )?(?:\[[^]]*\] )?blocked|banned sending|domain of sender|"
    r"sender address rejected|relay|weren't sent|reverse dns|ip address is block|adresse ip",
    re.I,
)


def replies() -> Iterator[tuple[str, SmtpPhase, str]]:
    """Yield code, provider and status, then the phase and the reply of each entry."""
    for file in sorted(MANUAL.glob("*.json")):
        page = json.loads(file.read_text(encoding="utf-8"))
        for section in (*page.get("providers", ()), *page.get("spamFilters", ())):
            for entry in section["responses"]:
                found = re.search(r"(?:^|smtp; ?|: )([245]\d\d)[ -]", entry["response"], re.I)
                text = (
                    entry["response"][found.start(1) :] if found else f"{page['reply']} {entry['response']}"
                )
                phase = SmtpPhase.final if "end of DATA" in text else SmtpPhase.rcpt
                yield f"{text[:3]}/{section['id']}/{entry.get('status')}", phase, text


def is_right(name: str, text: str, result: Diagnosis) -> bool:
    """Return whether what follows is right: what is temporary or ours waits, and the dead mailboxes are suppressed."""
    waits = result.status in (SendStatus.deferred, SendStatus.unsent)
    if text[0] == "4":
        return waits and not result.suppress
    if name in DEAD or result.suppress:
        return name in DEAD and result.suppress
    if FULL.search(text):
        return result.reason is Reason.mailbox_full
    if OURS.search(text) and not re.search(r"\bDBL\b|url", text, re.I):
        return waits
    return True


@pytest.mark.exhaustive
@pytest.mark.skipif(not MANUAL.is_dir(), reason=f"no SMTP field manual in {MANUAL}: set TOCSIN_CORPORA")
def test_the_field_manual() -> None:
    """At most three of its replies have a wrong consequence."""
    wrong = [
        (name, text[:100], result.rule)
        for name, phase, text in replies()
        if not is_right(name, text, result := classify(to_reply(int(text[:3]), text[4:].encode()), phase))
    ]
    assert len(wrong) <= 3, wrong
