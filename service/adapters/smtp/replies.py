"""Replies of a server: strict, bounded, in whatever pieces they come (RFC 5321 section 4.2)."""

import re

from service.model.mail import Reply, SendResult, SendStatus
from service.model.reasons import SendReason

MAX_LINE = 8192
MAX_LINES = 128
MAX_REPLY = 32768
MAX_TEXT = 500
_MAX_RAW = 4 * MAX_TEXT
_STATUS, _REASON = (
    SendStatus.accepted,
    SendReason.accepted,
)  # looked up once: they are on the way of every mail

RawReply = tuple[int, bytes]

_CODES = {
    b"%d%d%d" % (a, b, c): 100 * a + 10 * b + c for a in range(2, 6) for b in range(6) for c in range(10)
}
_TEXT = rb"[^\r\n]*+\r\n"
_GROUP = re.compile(rb"250 ([^\r\n]*+)\r\n250 %b250 %b354 %b" % (_TEXT, _TEXT, _TEXT)).fullmatch
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")


class ReplyParser:
    """Cuts the stream into replies. A fault is final: what was whole before it is still returned.

    `partial`: a reply has begun and is not complete.
    """

    __slots__ = ("_held", "_held_bytes", "_held_code", "_rest", "fault", "partial")

    def __init__(self) -> None:
        self.fault = ""
        self.partial = False
        self._rest = b""
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._held_code = 0

    def feed(self, data: bytes) -> list[RawReply]:
        """The replies that are whole now: code, and the text of all lines joined by LF."""
        if self.fault:
            return []
        if self._rest:
            data = self._rest + data
        lines = data.split(b"\r\n")
        if data.count(b"\n") != len(lines) - 1:
            return self._until_bare_lf(lines)
        self._rest = lines.pop()
        if len(data) > MAX_LINE and len(self._rest) > MAX_LINE:
            self.fault = "endless reply line"
        replies = self._cut(lines)
        self.partial = bool(self._rest or self._held)
        return replies

    def _cut(self, lines: list[bytes]) -> list[RawReply]:
        """Whole lines, without their ends, into replies."""
        replies: list[RawReply] = []
        for line in lines:
            code = _CODES.get(line[:3])
            if code is None or len(line) > MAX_LINE:
                self.fault = "malformed reply line"
                return replies
            mark = line[3:4]
            if mark == b" " and not self._held:
                replies.append((code, line[4:]))
            elif not self._continued(code, mark, line):
                return replies
            elif mark != b"-":
                replies.append((code, b"\n".join(self._held)))
                self._held = []
        return replies

    def _until_bare_lf(self, lines: list[bytes]) -> list[RawReply]:
        """A bare LF makes it unclear where lines end: only what came before it counts."""
        bad = next(index for index, line in enumerate(lines) if b"\n" in line)
        replies = self._cut(lines[:bad])
        self.fault = self.fault or "bare LF in a reply"
        return replies

    def _continued(self, code: int, mark: bytes, line: bytes) -> bool:
        """Take a line of a multi-line reply, or a bare code; False when it is a fault."""
        if mark not in (b" ", b"-", b""):
            self.fault = "malformed reply line"
            return False
        if not self._held:
            self._held_code, self._held_bytes = code, 0
        self._held.append(line[4:])
        self._held_bytes += len(line)
        if code != self._held_code:
            self.fault = "reply lines with different codes"
        elif len(self._held) > MAX_LINES or self._held_bytes > MAX_REPLY:
            self.fault = "endless reply"
        return not self.fault


def group_accepted(data: bytes) -> bytes | None:
    """The text of the first of 250, 250, 250, 354, a line each and nothing else; None when it is anything else.

    What the parser would say too, in one look: this is what a whole group comes back as when all is well.
    """
    match = _GROUP(data) if len(data) <= MAX_LINE else None
    return None if match is None else match[1]


def to_reply(code: int, raw: bytes) -> Reply:
    """A reply for people and for the classification: enhanced code apart, text in one line, bounded, no controls."""
    text = raw[:_MAX_RAW].decode("utf-8", "replace")
    enhanced = ""
    if (match := _ENHANCED.match(text)) and raw[0] == ord("0") + code // 100:
        enhanced = match[1]
        text = text[match.end() :]
    if not text.isprintable():
        text = _one_line(text, enhanced)
    return Reply(code, enhanced, text[:MAX_TEXT])


def taken(code: int, raw: bytes, relay: str) -> SendResult:
    """The result of a mail that the relay answers for, by its reply to the dot."""
    return SendResult(_STATUS, _REASON, to_reply(code, raw), relay, "final")


def _one_line(text: str, enhanced: str) -> str:
    """Lines joined by a space, each without the repeated enhanced code; controls become spaces."""
    lines = (line.removeprefix(enhanced).strip() for line in text.split("\n"))
    joined = " ".join(line for line in lines if line)
    return "".join(character if character.isprintable() else " " for character in joined)
