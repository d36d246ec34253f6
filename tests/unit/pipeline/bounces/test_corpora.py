"""Bounces of the wild: the public test mails of sisimai and of flufl.bounce, and the cases of this project.

They are skipped where the corpora are not installed: `TOCSIN_CORPORA` names a folder with checkouts of
sisimai/set-of-emails, sisimai/p5-sisimai (which has the expected reasons) and flufl.bounce.
"""

import ast
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.model.mail import SendStatus
from service.model.reasons import Reason
from service.pipeline.bounces.diagnose import diagnose
from service.pipeline.bounces.read import read_report
from service.pipeline.bounces.report import ReportKind
from tests.support.paths import CORPORA, ROOT
from tests.unit.pipeline.bounces.test_process import COMPLAINTS, KEY, TOKENS, delivery_of, email, sent

pytestmark = pytest.mark.exhaustive
CASES = ROOT.parent / "shared" / "cases" / "bounces"
DEAD = {"userunknown", "hostunknown", "hasmoved"}
UNDECIDED = {"filtered", "suspend", "notaccept", "onhold", "undefined", "vacation", "feedback", "delivered"}
"""Reasons of sisimai that say too little of the mailbox, or that it is disabled."""
_EXPECTED = re.compile(r"'(\d{2})'\s*=>\s*\[((?:\[[^\]]*\],?\s*)+)\]")
_ONE_EXPECTED = re.compile(r"\['[^']*',\s*'[^']*',\s*'([^']*)',\s*\d\]")


def folder(*names: str) -> Path:
    path = CORPORA.joinpath(*names)
    if not path.is_dir():
        pytest.skip(f"no {'/'.join(names)}: set TOCSIN_CORPORA to the folder that holds it")
    return path


def sisimai() -> Iterator[tuple[Path, set[str]]]:
    """Yield each mail with the reasons that sisimai expects of it."""
    mails = folder("set-of-emails", "maildir", "bsd")
    for test in sorted(folder("p5-sisimai", "t").glob("*.t")):
        for number, reasons in _EXPECTED.findall(test.read_text("utf-8", "replace")):
            mail = mails / f"{test.stem.partition('-')[2]}-{number}.eml"
            if mail.is_file():
                yield mail, set(_ONE_EXPECTED.findall(reasons))


def effect(raw: bytes) -> str:
    """Return what follows from a bounce: `suppressed`, `bounced`, `deferred`, `returned`, or the kind of the mail."""
    read = read_report(raw)
    if read.kind not in (ReportKind.bounce, ReportKind.words, ReportKind.quote):
        return read.kind.value
    diagnosis = diagnose(read, read.recipient(lambda address: False))
    if diagnosis.status is SendStatus.bounced:
        return "suppressed" if diagnosis.suppress else "bounced"
    return diagnosis.status.value if diagnosis.judged else "returned"


def test_dead_mailboxes_are_suppressed_and_live_ones_are_not() -> None:
    """By sisimai's reasons: 95 of 100 dead ones at least, and one of 200 live ones at most."""
    dead, live = [], []
    for mail, reasons in sisimai():
        if len(reasons) == 1 and not reasons & UNDECIDED:
            (dead if reasons <= DEAD else live).append((mail.name, effect(mail.read_bytes())))

    missed = [one for one in dead if one[1] != "suppressed"]
    assert len(missed) <= 0.05 * len(dead), missed
    wrong = [one for one in live if one[1] == "suppressed"]
    assert len(wrong) <= 0.005 * len(live), wrong
    assert len(dead) > 90
    assert len(live) > 160


def test_no_bounce_is_taken_for_something_else() -> None:
    """Every bounce is judged or recorded; most are judged."""
    effects = {
        mail.name: effect(mail.read_bytes())
        for mail, reasons in sisimai()
        if reasons and not reasons & {"vacation", "feedback"}
    }

    assert {name: e for name, e in effects.items() if e in ("automatic", "complaint")} == {}
    assert sum(e == "returned" for e in effects.values()) <= 0.05 * len(effects)


def test_automatic_replies_are_no_bounce() -> None:
    """None of sisimai's has an effect."""
    effects = [effect(mail.read_bytes()) for mail, reasons in sisimai() if reasons == {"vacation"}]

    assert effects == ["automatic"] * len(effects)
    assert len(effects) >= 5


def test_the_mails_of_flufl_bounce() -> None:
    """Those about permanent failures close a delivery, those about temporary ones do not, others are no bounce.

    One is an answer by its subject, and a list has replaced its empty return path: it is recorded.
    """
    tests = folder("flufl.bounce", "tests")
    tree = ast.parse((tests / "test_detectors.py").read_text())
    rows = [
        ast.literal_eval(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Tuple) and len(node.elts) == 4 and isinstance(node.elts[2], ast.List)
    ]
    wrong = {}
    for _, name, addresses, temporary in rows:
        if addresses:
            found = effect((tests / "data" / name).read_bytes())
            right = {"deferred"} if temporary else {"bounced", "suppressed"}
            if found not in right:
                wrong[name] = found

    assert wrong == {"simple_20.txt": "returned"}
    assert len(rows) > 80


_CLOSED = "bounced", "bounce_received"
_EXPIRED = "bounced", "expired_in_transit"
_UNCHANGED = "sent", ""
_COMPLAINT = "bounced", "complaint_received"
EXPECTED: dict[str, tuple[tuple[str, str], Reason | None]] = {
    "01": (_EXPIRED, None), "02": (_EXPIRED, None), "04": (_UNCHANGED, None),
    "05": (_CLOSED, Reason.mailbox_unknown), "06": (_CLOSED, Reason.mailbox_unknown),
    "07": (_CLOSED, Reason.mailbox_unknown), "08": (_CLOSED, Reason.domain_unknown),
    "10": (_CLOSED, None), "11": (_CLOSED, None), "12": (_CLOSED, None), "15": (_EXPIRED, None), "16": (_CLOSED, None),
    "18": (_CLOSED, Reason.mailbox_unknown), "19": (_CLOSED, Reason.mailbox_unknown),
    "20": (_CLOSED, Reason.mailbox_unknown), "21": (_CLOSED, Reason.mailbox_unknown),
    "23": (_CLOSED, Reason.mailbox_unknown), "24": (("returned", "unjudged_return"), None),
    "27": (_UNCHANGED, None), "28": (_UNCHANGED, None),
    "30": (_COMPLAINT, Reason.complaint_received), "31": (_UNCHANGED, Reason.complaint_received),
    "32": (_COMPLAINT, Reason.complaint_received), "33": (_UNCHANGED, None), "35": (_UNCHANGED, None),
    "36": (_COMPLAINT, Reason.complaint_received), "40": (_UNCHANGED, None), "42": (_CLOSED, None),
    "43": (_UNCHANGED, None), "44": (_CLOSED, None),
}  # fmt: skip
"""Number of a case → state and reason of the delivery, and of the suppression."""


@pytest.mark.parametrize("number", sorted(EXPECTED))
async def test_a_case(number: str) -> None:
    """The state of the delivery afterwards, and for what its address is suppressed."""
    if not CASES.is_dir():
        pytest.skip(f"no cases in {CASES}")
    pipeline, bounces, sender = await sent()
    (path,) = CASES.glob(f"{number}_*.eml")
    raw = path.read_text()
    if "base64" in raw:
        raw = re.sub(
            r"\n\n([A-Za-z0-9+/=\n]{40,}?)(?=\n--)",
            lambda m: "\n\n" + b64encode(b64decode(m[1]).replace(b"@SENDER@", sender.encode())).decode(),
            raw,
        )
    delivery = delivery_of(pipeline)
    marks = {"@SENDER@": sender, "@DELIVERY@": delivery.id, "BOUNCEDOMAIN": "bounces.tocsin.test"}
    for mark, text in [*marks.items(), ("SIGNEDTOKEN", TOKENS.token(delivery))]:
        raw = raw.replace(mark, text)
    to = COMPLAINTS if "complaints@" in raw else sender

    await bounces.process_message(raw.encode(), [to])

    state, reason = EXPECTED[number]
    assert await email(pipeline) == state
    rows = {key: row.reason for key, row in pipeline.tables.suppressions.items()}
    assert rows == ({KEY: reason} if reason else {})
