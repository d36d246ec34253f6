"""No address survives masking, wherever it is in a text."""

import time
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.model.mask import mask_name, mask_text, mask_value
from tests.support.paths import CORPORA

FRAMES = (
    "{}",
    "550 5.1.1 <{}>: no such user",
    "to {}, from here",
    'x {{"to":"{}"}}',
    "({})",
    "mailto:{}?subject=a",
)


def _addresses() -> list[str]:
    """Return the addresses of the corpora that have both sides of an at-sign: the rest are no addresses."""
    if not CORPORA.is_dir():
        return []
    candidates = []
    for name in ("mailbox_valid.txt", "mailbox_invalid.txt"):
        lines = (CORPORA / name).read_text("utf-8", "replace").splitlines()
        candidates += [
            line.split(" #")[0].strip()
            for line in lines
            if line.strip() and not line.lstrip().startswith("#")
        ]
    candidates += [
        test.findtext("address") or ""
        for test in ElementTree.parse(CORPORA / "isemail_tests.xml").iter("test")
    ]
    whole = [a for a in candidates if a.rpartition("@")[0].strip("@ ") and a.rpartition("@")[2].strip(" .")]
    # Delimiters alone before the sign, or blanks within the domain: nothing that mail could be sent to.
    return [
        a for a in whole if a.rpartition("@")[0][-1] not in "<>]" and " " not in a.rpartition("@")[2].strip()
    ]


@pytest.mark.parametrize("frame", FRAMES)
def test_no_address_of_the_corpora_survives(frame: str) -> None:
    """Valid, unusual and broken addresses are masked in every surrounding text."""
    addresses = _addresses()
    if not addresses:
        pytest.skip(f"no corpora in {CORPORA}")

    survivors = [a for a in addresses if a in mask_text(frame.format(a))]

    assert survivors == []
    assert len(addresses) > 300


_WORD = st.text("abcdefghijklmnopqrstuvwxyzäöüßéñ0123456789.+-_", min_size=2, max_size=20).filter(
    lambda t: t[0].isalnum()
)


@given(local=_WORD, domain=_WORD, before=st.text(max_size=20), after=st.text(max_size=20))
def test_no_address_survives_in_any_text(local: str, domain: str, before: str, after: str) -> None:
    """Whatever surrounds an address, it is not in the masked text."""
    address = f"{local}@{domain}.com"

    assert address not in mask_text(before + address + after)


@given(
    st.recursive(
        st.text(max_size=10) | st.integers() | st.none(),
        lambda s: st.lists(s) | st.dictionaries(st.text(), s),
    )
)
@pytest.mark.exhaustive
def test_values_without_an_at_sign_stay_as_they_are(value: object) -> None:
    """Masking changes nothing but addresses."""
    if not any(sign in repr(value) for sign in ("@", "＠", "﹫", "%40", "&", "\\\\u0040")):
        assert mask_value(value) == value


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("alice@example.com", "a•••@e•••.com"),
        ("<bob@mail.example.co.uk>", "<b•••@m•••.uk>"),
        ('"john doe"@example.com', "j•••@e•••.com"),
        ("a@[127.0.0.1]", "a•••@•••"),
        ("alice%40example.com", "a•••@e•••.com"),
        ('{"to":"alice\\u0040example.com"', '{"to":"a•••@e•••.com"'),
        ("done.", "done."),
        ("3 @ 5", "3 @ 5"),
        ("@mention", "@mention"),
        ("see alice@example.com.", "see a•••@e•••.com."),
        ("a•••@e•••.com", "a•••@e•••.com"),
    ],
)
def test_the_form_of_a_masked_address(text: str, masked: str) -> None:
    """The first letters and the last label stay, so that operators can distinguish two."""
    assert mask_text(text) == masked


def test_masking_reaches_keys_and_every_depth() -> None:
    """Keys, lists, bytes and foreign objects are masked too."""
    value = {
        "x@example.com": [
            {"y": ("z@example.com", b"b@example.com")},
            ValueError("v@example.com"),
            1,
            None,
            True,
        ]
    }

    assert "example" not in str(mask_value(value))
    assert mask_value(value)["x•••@e•••.com"][2:] == [1, None, True]


@pytest.mark.exhaustive
def test_masking_takes_linear_time() -> None:
    """A hostile text cannot stop a log line: 100,000 characters in well under a second."""
    started = time.process_time()
    for hostile in (
        "a" * 100_000,
        '"' * 100_000,
        "@" * 100_000,
        "a@" * 50_000,
        "@ " * 50_000,
        "\\" * 100_000,
    ):
        mask_text(hostile + "@")

    assert time.process_time() - started < 5


def test_a_name_keeps_its_first_letter() -> None:
    """Names keep no more than that."""
    assert mask_name("Alice Example") == "A•••"
    assert mask_name("") == ""
