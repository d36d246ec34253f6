"""Caught mails, in memory and bounded."""

from collections.abc import Iterable

from service.dev.catcher.mail import CaughtMail


class MailStore:
    """The last `keep` mails; older ones are dropped, but counted."""

    def __init__(self, keep: int = 20_000) -> None:
        self.keep = keep
        self.received = 0
        """Mails ever taken, also those since dropped or deleted."""
        self.revision = 0
        """Grows with every change, for views that refresh."""
        self._mails: dict[str, CaughtMail] = {}

    def __len__(self) -> int:
        return len(self._mails)

    @property
    def unread(self) -> int:
        """Mails nobody has opened."""
        return sum(not mail.read for mail in self._mails.values())

    def add(self, mail: CaughtMail) -> None:
        """Keep a mail, and drop the oldest if there are too many."""
        self._mails[mail.id] = mail
        if len(self._mails) > self.keep:
            del self._mails[next(iter(self._mails))]
        self.received += 1
        self.revision += 1

    def get(self, mail_id: str) -> CaughtMail | None:
        """The mail of that id, or the newest for `latest`."""
        if mail_id == "latest":
            return next(reversed(self._mails.values()), None)
        return self._mails.get(mail_id)

    def newest_first(self) -> list[CaughtMail]:
        """All of them."""
        return list(reversed(self._mails.values()))

    def mark_read(self, mail: CaughtMail) -> None:
        """Somebody opened it."""
        if not mail.read:
            mail.read = True
            self.revision += 1

    def delete(self, ids: Iterable[str] | None = None) -> None:
        """Delete these mails, or all; ids that are not there are ignored."""
        for mail_id in list(self._mails if ids is None else ids):
            self._mails.pop(mail_id, None)
        self.revision += 1
