"""Parse the replies of a server: strictly, within bounds, however the stream is cut (RFC 5321 section 4.2)."""

import re

from service.model.mail import Reply, SendResult, SendStatus
from service.model.reasons import SendReason

# RFC 5321 section 4.5.3.1.5 allows 512 octets per line: only a broken or hostile server exceeds these.
MAX_LINE_BYTES = 8192
MAX_REPLY_LINES = 128
MAX_REPLY_BYTES = 32768
MAX_TEXT_CHARACTERS = 500
_MAX_RAW_BYTES = 4 * MAX_TEXT_CHARACTERS
# looked up once: every accepted message needs them
_ACCEPTED, _REASON = SendStatus.accepted, SendReason.accepted

RawReply = tuple[int, bytes]

_CODES = {  # RFC 5321 section 4.2: Reply-code = %x32-35 %x30-35 %x30-39
    b"%d%d%d" % (a, b, c): 100 * a + 10 * b + c for a in range(2, 6) for b in range(6) for c in range(10)
}
_TEXT = rb"[^\r\n]*+\r\n"
_GROUP = re.compile(rb"250 ([^\r\n]*+)\r\n250 %b250 %b354 %b" % (_TEXT, _TEXT, _TEXT)).fullmatch
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")  # RFC 2034 section 4, RFC 3463 section 2


class ReplyParser:
    """A splitter of the stream into replies. A fault is final; replies that were complete before it are returned.

    `partial`: a reply has begun and is not complete.
    """

    __slots__ = ("_lines", "_lines_bytes", "_lines_code", "_partial_line", "fault", "partial")

    def __init__(self) -> None:
        self.fault = ""
        self.partial = False
        self._partial_line = b""
        self._lines: list[bytes] = []  # of a multi-line reply that is not complete
        self._lines_bytes = 0
        self._lines_code = 0

    def feed(self, data: bytes) -> list[RawReply]:
        """Return the replies that are complete now: the code, and the text of all lines joined by LF."""
        if self.fault:
            return []
        if self._partial_line:
            data = self._partial_line + data
        lines = data.split(b"\r\n")
        if data.count(b"\n") != len(lines) - 1:
            return self._until_bare_lf(lines)
        self._partial_line = lines.pop()
        if len(data) > MAX_LINE_BYTES and len(self._partial_line) > MAX_LINE_BYTES:
            self.fault = "endless reply line"
        replies = self._parse(lines)
        self.partial = bool(self._partial_line or self._lines)
        return replies

    def _parse(self, lines: list[bytes]) -> list[RawReply]:
        """Return the replies in complete lines, which come without their CRLF."""
        replies: list[RawReply] = []
        for line in lines:
            code = _CODES.get(line[:3])
            if code is None or len(line) > MAX_LINE_BYTES:
                self.fault = "malformed reply line"
                return replies
            separator = line[3:4]
            if separator == b" " and not self._lines:
                replies.append((code, line[4:]))
            elif not self._add_line(code, separator, line):
                return replies
            elif separator != b"-":
                replies.append((code, b"\n".join(self._lines)))
                self._lines = []
        return replies

    def _until_bare_lf(self, lines: list[bytes]) -> list[RawReply]:
        """Return the replies before a bare LF, after which the end of a line is in doubt (RFC 5321 section 2.3.8)."""
        bad = next(index for index, line in enumerate(lines) if b"\n" in line)
        replies = self._parse(lines[:bad])
        self.fault = self.fault or "bare LF in a reply"
        return replies

    def _add_line(self, code: int, separator: bytes, line: bytes) -> bool:
        """Add a line of a multi-line reply, or a bare code (RFC 5321 section 4.2.1); return False on a fault."""
        if separator not in (b" ", b"-", b""):
            self.fault = "malformed reply line"
            return False
        if not self._lines:
            self._lines_code, self._lines_bytes = code, 0
        self._lines.append(line[4:])
        self._lines_bytes += len(line)
        if code != self._lines_code:
            self.fault = "reply lines with different codes"
        elif len(self._lines) > MAX_REPLY_LINES or self._lines_bytes > MAX_REPLY_BYTES:
            self.fault = "endless reply"
        return not self.fault


def group_accepted(data: bytes) -> bytes | None:
    """Return the text of the first of 250, 250, 250, 354, one line each and nothing else; None for anything else.

    Equal to the parser's result, in one match: these are the replies to a group without a refusal.
    """
    match = _GROUP(data) if len(data) <= MAX_LINE_BYTES else None
    return None if match is None else match[1]


def to_reply(code: int, raw: bytes) -> Reply:
    """Return a reply for people and for the classification: enhanced code apart, one bounded line, no controls."""
    try:
        text = raw[:_MAX_RAW_BYTES].decode()
    except UnicodeDecodeError as error:
        text = _older_text(raw[:_MAX_RAW_BYTES], error)
    enhanced = ""
    # RFC 3463 section 2: an enhanced code of another class than the reply code is not one
    if (match := _ENHANCED.match(text)) and raw[0] == ord("0") + code // 100:
        enhanced = match[1]
        text = text[match.end() :]
    if not text.isprintable():
        text = _one_line(text, enhanced)
    return Reply(code, enhanced, text[:MAX_TEXT_CHARACTERS])


def accepted_result(code: int, raw: bytes, relay: str) -> SendResult:
    """Return the result of a message that the relay has accepted, by its reply to the end of data."""
    return SendResult(_ACCEPTED, _REASON, to_reply(code, raw), relay, "final")


def _older_text(raw: bytes, error: UnicodeDecodeError) -> str:
    """Return a text that is not UTF-8: cut within a character, or else Latin-1 where most of it is ASCII."""
    if error.end == _MAX_RAW_BYTES and error.reason == "unexpected end of data":
        return raw[: error.start].decode()
    mostly_ascii = 2 * len(raw.decode("ascii", "ignore")) >= len(raw)
    return raw.decode("latin-1") if mostly_ascii else raw.decode("utf-8", "replace")


def _one_line(text: str, enhanced: str) -> str:
    """Join lines by a space, each without the repeated enhanced code, and replace controls by spaces."""
    lines = (line.removeprefix(enhanced).strip() for line in text.split("\n"))
    joined = " ".join(line for line in lines if line)
    return "".join(character if character.isprintable() else " " for character in joined)
