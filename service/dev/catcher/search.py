"""Search by `to:`, `from:`, `subject:`, `message-id:` and plain words; all must match, in upper or lower case."""

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
    """Return the messages that match every term; double quotes enclose a term with spaces."""
    terms = [_term(word) for word in _words(query.lower())]
    return [mail for mail in mails if all(text in extract(mail).lower() for extract, text in terms)]


def _words(query: str) -> list[str]:
    lexer = shlex.shlex(query, posix=True)
    lexer.whitespace_split, lexer.commenters, lexer.quotes, lexer.escape = True, "", '"', ""
    try:
        return list(lexer)
    except ValueError:  # an unclosed quotation mark
        return query.replace('"', " ").split()


def _term(word: str) -> tuple[Callable[[CaughtMail], str], str]:
    name, colon, text = word.partition(":")
    if colon and name in _FIELDS:
        return _FIELDS[name], text
    return (lambda mail: " ".join(extract(mail) for extract in _FIELDS.values())), word
