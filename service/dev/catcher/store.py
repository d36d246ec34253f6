"""The caught messages, in bounded memory."""

from collections.abc import Iterable

from service.dev.catcher.mail import CaughtMail


class MailStore:
    """A store of the last `keep` messages; older ones are dropped, but counted."""

    def __init__(self, keep: int = 20_000) -> None:
        self.keep = keep
        self.received = 0
        """Number of messages ever received, including those dropped or deleted since."""
        self.revision = 0
        """Number that grows with every change, for views that refresh."""
        self._mails: dict[str, CaughtMail] = {}

    def __len__(self) -> int:
        return len(self._mails)

    @property
    def unread(self) -> int:
        """Return the number of unread messages."""
        return sum(not mail.read for mail in self._mails.values())

    def add(self, mail: CaughtMail) -> None:
        """Keep a message, and drop the oldest when there are more than `keep`."""
        self._mails[mail.id] = mail
        if len(self._mails) > self.keep:
            del self._mails[next(iter(self._mails))]
        self.received += 1
        self.revision += 1

    def get(self, mail_id: str) -> CaughtMail | None:
        """Return the message of that id, or the newest for the id `latest`; None when there is none."""
        if mail_id == "latest":
            return next(reversed(self._mails.values()), None)
        return self._mails.get(mail_id)

    def newest_first(self) -> list[CaughtMail]:
        """Return all messages, newest first."""
        return list(reversed(self._mails.values()))

    def mark_read(self, mail: CaughtMail) -> None:
        """Mark a message as read."""
        if not mail.read:
            mail.read = True
            self.revision += 1

    def delete(self, ids: Iterable[str] | None = None) -> None:
        """Delete the messages of these ids, or all; ignore unknown ids."""
        for mail_id in list(self._mails if ids is None else ids):
            self._mails.pop(mail_id, None)
        self.revision += 1
