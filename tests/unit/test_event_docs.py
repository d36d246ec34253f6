"""docs/events.md tells the truth about what an event may hold."""

import re

from service.model.event import WITHDRAW
from service.model.reasons import DEAD_REASON_TEXT
from service.pipeline.resolve import ingest
from tests.support.paths import ROOT

TEXT = (ROOT / "docs" / "events.md").read_text()


def test_every_dead_letter_reason_is_listed_with_its_sentence() -> None:
    """No more and no fewer, in the order of the code."""
    listed = re.findall(r"^\| `(\w+)` \| (.+) \|$", TEXT.partition("## Dead letters")[2], re.MULTILINE)

    assert dict(listed) == {reason.value: said for reason, said in DEAD_REASON_TEXT.items()}


def test_every_extension_is_described() -> None:
    """Under its name with the underscore; and the verb under its reserved type."""
    names = set(ingest._EXTENSIONS) - set(ingest._SPELLINGS)

    assert all(f"`{name}`" in TEXT for name in names)
    assert f"`{WITHDRAW}`" in TEXT
