"""Preparation of a reply or a diagnostic text for the table: bounded, without addresses and links, one spelling.

What is removed was written by others than the server: a mailbox named `spam` or a link to `/mailbox-full` says nothing.
"""

import re
import unicodedata
from typing import NamedTuple

MAX_CHARACTERS = 2_000
"""Of a text that is read: longer ones are cut, so that the cost of a classification has a bound."""

_ACCENTS = dict.fromkeys(range(0x300, 0x370))
# Every repetition has a bound, so that the cost grows with the length of the text and not faster.
_LINK = re.compile(r"https?://([^\s/?#<>]{1,253})[^\s<>]{0,500}")
_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"']{1,64}@[\w.-]{1,253}")
_IP = re.compile(
    r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]{0,20}\d)|(?<![\w:])[0-9a-f]{1,4}(?::[0-9a-f]{0,4}){3,7}(?![\w:])"
)
_SPACES = re.compile(r"\s{1,200}")
# RFC 3463 section 2, but the subject is one of those defined. Not part of a longer number or of a name.
_STATUS = r"([245])\.([0-7])\.(\d{1,3})(?![\w.]{0,20}\d)"
_EMBEDDED = re.compile(
    r"(?:(?<![\w.])(?P<code>[45]\d\d)[ -]{1,2}#?|\(#?|#|(?:status|dsn|code|error)[ :=]{1,3}|^|cuda_nsu )"
    + _STATUS
)
_QUOTED_REPLY = re.compile(
    r"(?:^|[:;>\[\]()\"'|] ?|-> |(?:said|responded|returned|error|code|reply|response|status|was|with|got|following) )"
    r"([45][0-5]\d)(?=[ -]{1,3}[\w<(\[#\"'=]|: ?[\w<])"
)
_MAX_REPLY = 400
# of a reply in several lines: a code within a sentence
_CONTINUATION = re.compile(
    r"(?<=[a-z,]) [45]\d\d(?:- ?(?:[45]\.\d{1,3}\.\d{1,3})?| [45]\.\d{1,3}\.\d{1,3})(?= )"
)


class EmbeddedCodes(NamedTuple):
    """The reply code (0 for none) and the enhanced code (empty for none) that a text quotes."""

    code: int
    enhanced: str


def normalised(text: str) -> str:
    """Return the text in lower case, without accents, addresses, links (but their hosts) and repeated spaces."""
    text = unicodedata.normalize("NFKD", text[:MAX_CHARACTERS]).translate(_ACCENTS).lower()
    text = unicodedata.normalize("NFC", text[: 2 * MAX_CHARACTERS]).replace("\u2019", "'")
    text = _LINK.sub(r"\1", text)
    text = _ADDRESS.sub("<addr>", text)
    text = _IP.sub("<ip>", text)
    return _CONTINUATION.sub("", _SPACES.sub(" ", text).strip())


def embedded_codes(text: str) -> EmbeddedCodes:
    """Return the codes in a normalised text. A dotted number counts only where servers put a status.

    That is after a reply code of the same class, in brackets with `#`, after "status" and the like, or at the
    beginning: an IP address or a version number is none.
    """
    code, enhanced = 0, ""
    for match in _EMBEDDED.finditer(text):
        class_, subject, detail = match.group(2, 3, 4)
        quoted = match["code"]
        if quoted and quoted[0] != class_:
            continue
        if class_ == "2":
            continue
        candidate = f"{class_}.{subject}.{int(detail)}"
        if not enhanced or (is_generic(enhanced) and not is_generic(candidate)):
            enhanced = candidate
            code = int(quoted) if quoted else code
    if not code and (found := _QUOTED_REPLY.search(text)):
        code = int(found[1])
    return EmbeddedCodes(code, enhanced)


def quoted_replies(text: str) -> list[str]:
    """Return the replies that a normalised text quotes, each from its code on, at most 400 characters."""
    starts = [match.start(1) for match in _QUOTED_REPLY.finditer(text)]
    ends = [*starts[1:], len(text)] if starts else []
    replies = [text[start : min(end, start + _MAX_REPLY)] for start, end in zip(starts, ends, strict=True)]
    return [
        reply.partition("]")[0] if text[start - 1 : start] == "[" else reply
        for start, reply in zip(starts, replies, strict=True)
    ]


def is_generic(enhanced: str) -> bool:
    """Return whether an enhanced code names no cause: X.0.0, X.5.0 and the like (RFC 3463 section 3.1)."""
    return not enhanced or enhanced[2:] in ("0.0", "5.0", "1.0", "2.0", "3.0", "4.0", "7.0", "0.350", "0.1")
