"""docs/events.md agrees with the code about events, dead letters and table records."""

import re

from service.model.event import WITHDRAW
from service.model.reasons import DEAD_REASON_TEXT
from service.model.topics import TABLES
from service.pipeline.resolve import ingest
from tests.support.paths import ROOT

TEXT = (ROOT / "docs" / "events.md").read_text()


def test_every_dead_letter_reason_is_listed_with_its_sentence() -> None:
    """Exactly the reasons of the code, with their texts."""
    section = TEXT.partition("## Dead letters")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `(\w+)` \| (.+) \|$", section, re.MULTILINE)

    assert dict(listed) == {reason.value: text for reason, text in DEAD_REASON_TEXT.items()}


def test_every_extension_is_described() -> None:
    """Extensions by their name with the underscore, and the verb by its reserved type."""
    names = set(ingest._EXTENSIONS) - set(ingest._SPELLINGS)

    assert all(f"`{name}`" in TEXT for name in names)
    assert f"`{WITHDRAW}`" in TEXT


def test_every_table_topic_is_listed() -> None:
    """Each compacted topic has a row with its key and its value."""
    section = TEXT.partition("## Table records")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `tables\.([\w-]+)` \| .+ \| .+ \|$", section, re.MULTILINE)

    assert sorted(listed) == sorted(TABLES)
