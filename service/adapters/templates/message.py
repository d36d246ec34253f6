"""The message as bytes (RFC 5322, RFC 2046): two alternatives, text first, written straight from their pieces.

No quoted-printable line contains `=_`, so the boundary occurs nowhere else and need not be random: the same delivery
gives the same bytes at every attempt.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from service.adapters.templates.headers import mailbox_header
from service.adapters.templates.quoted_printable import join_pieces
from service.settings import MailSettings

_PART = b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
_TEXT = b'--=_tocsin\r\nContent-Type: text/plain; charset="utf-8"\r\n' + _PART
_HTML = b'\r\n--=_tocsin\r\nContent-Type: text/html; charset="utf-8"\r\n' + _PART
_END = b"\r\n--=_tocsin--\r\n"


@dataclass(frozen=True, slots=True)
class SharedHeaders:
    """The headers shared by the emails of one type and locale: `first` precede each email's own, `last` follow."""

    first: bytes
    last: bytes


def shared_headers(
    mail: MailSettings, sender_name: str, list_name: str, domain: str, locale: str
) -> SharedHeaders:
    """Return the headers of a type, or of a group's digests, in a locale.

    Raise RenderFailed when the sender is not exactly one address.
    """
    sender_id = "".join(filter(str.isalnum, mail.list_domain))[:15]
    last = (
        "MIME-Version: 1.0\r\n"
        "Auto-Submitted: auto-generated\r\n"  # RFC 3834: no automatic reply, such as a vacation notice
        f"List-Id: <{list_name}.{mail.list_domain}>\r\n"
        f"Feedback-ID: {list_name}:{domain}:{locale}:{sender_id}\r\n"
        f"Content-Language: {locale.replace('_', '-')}\r\n"
        'Content-Type: multipart/alternative; boundary="=_tocsin"\r\n\r\n'
    )
    return SharedHeaders(mailbox_header("From", sender_name, mail.sender), last.encode("ascii"))


def assemble_message(
    shared: SharedHeaders, own: Sequence[bytes], text: Iterable[bytes], html: Iterable[bytes]
) -> bytes:
    """Return a whole message with CRLF lines of at most 78 octets where folding allows, ending in CRLF.

    `own` holds the finished headers of this email, `text` and `html` the encoded pieces of its bodies.
    """
    bodies = (_TEXT, join_pieces(text), _HTML, join_pieces(html), _END)
    return b"".join((shared.first, *own, shared.last, *bodies))
