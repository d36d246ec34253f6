"""The last replies of a relay, kept for people, and the number of messages that it has accepted."""

from collections import deque
from collections.abc import Sequence
from time import time

from service.adapters.smtp.replies import to_reply
from service.model.mail import Reply

_REFUSALS = 4


class ReplyLog:
    """Replies to messages. Noting an accepted one costs no parsing: only the last is ever read.

    `answers` counts all replies to messages, `accepted` those that accepted one.
    """

    def __init__(self) -> None:
        self.answers = 0
        self.accepted = 0
        self._acceptance: tuple[float, int, bytes] | None = None
        self._refusals: deque[tuple[int, Reply]] = deque(maxlen=_REFUSALS)

    def note_accepted(self, code: int, text: bytes) -> None:
        """Note that a message was accepted."""
        self.answers += 1
        self.accepted += 1
        self._acceptance = time(), code, text

    def note_refused(self, reply: Reply) -> None:
        """Note a refusal, for good or for now."""
        self.answers += 1
        self._refusals.append((int(time() * 1000), reply))

    def newest(self) -> Sequence[tuple[int, Reply]]:
        """Return the last refusals and the last acceptance with their times (ms), the newest first."""
        replies = list(self._refusals)
        if self._acceptance is not None:
            at_s, code, text = self._acceptance
            replies.append((int(at_s * 1000), to_reply(code, text)))
        return sorted(replies, key=lambda one: -one[0])
