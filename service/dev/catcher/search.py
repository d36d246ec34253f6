"""Search by `to:`, `from:`, `subject:`, `message-id:` and plain words; all must match, in either case."""

import shlex
from collections.abc import Callable

from service.dev.catcher.mail import CaughtMail

_FIELDS: dict[str, Callable[[CaughtMail], str]] = {
    "to": lambda mail: " ".join((*mail.recipients, mail.header("To"))),
    "from": lambda mail: f"{mail.sender} {mail.header('From')}",
    "subject": lambda mail: mail.subject,
    "message-id": lambda mail: mail.message_id,
}


def search(mails: list[CaughtMail], query: str) -> list[CaughtMail]:
    """The mails that match every term; a term with spaces stands in double quotes."""
    terms = [_term(word) for word in _words(query.lower())]
    return [mail for mail in mails if all(wanted in read(mail).lower() for read, wanted in terms)]


def _words(query: str) -> list[str]:
    lexer = shlex.shlex(query, posix=True)
    lexer.whitespace_split, lexer.commenters, lexer.quotes, lexer.escape = True, "", '"', ""
    try:
        return list(lexer)
    except ValueError:  # a quotation mark without its partner
        return query.replace('"', " ").split()


def _term(word: str) -> tuple[Callable[[CaughtMail], str], str]:
    name, colon, wanted = word.partition(":")
    if colon and name in _FIELDS:
        return _FIELDS[name], wanted
    return (lambda mail: " ".join(read(mail) for read in _FIELDS.values())), word
