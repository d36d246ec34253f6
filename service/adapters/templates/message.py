"""The mail as bytes (RFC 5322, RFC 2046): two alternatives, text first, written straight from their pieces.

A `=_` can stand in no quoted-printable line, so the boundary occurs nowhere else and need not be drawn by lot: the
same delivery is the same bytes at every attempt.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from service.adapters.templates.headers import mailbox
from service.adapters.templates.quoted import Coded, write
from service.settings import MailSettings

_PART = b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
_TEXT = b'--=_tocsin\r\nContent-Type: text/plain; charset="utf-8"\r\n' + _PART
_HTML = b'\r\n--=_tocsin\r\nContent-Type: text/html; charset="utf-8"\r\n' + _PART
_END = b"\r\n--=_tocsin--\r\n"


@dataclass(frozen=True, slots=True)
class Frame:
    """The headers that all mails of one type and locale share: `first` before the recipient's own, `last` after."""

    first: bytes
    last: bytes


def frame(mail: MailSettings, type_: str, domain: str, locale: str) -> Frame:
    """Raises RenderFailed when the sender is not one address."""
    sender_id = "".join(filter(str.isalnum, mail.list_domain))[:15]
    last = (
        "MIME-Version: 1.0\r\n"
        "Auto-Submitted: auto-generated\r\n"  # RFC 3834: no vacation notes, please
        f"List-Id: <{type_}.{mail.list_domain}>\r\n"
        f"Feedback-ID: {type_}:{domain}:{locale}:{sender_id}\r\n"
        f"Content-Language: {locale.replace('_', '-')}\r\n"
        'Content-Type: multipart/alternative; boundary="=_tocsin"\r\n\r\n'
    )
    return Frame(mailbox("From", mail.sender_name, mail.sender), last.encode("ascii"))


def message(
    frame: Frame,
    own: Sequence[bytes],
    text: Iterable[str],
    html: Iterable[str],
    fixed: Mapping[str, Coded],
) -> bytes:
    """A whole message with CRLF lines of at most 78 octets where folding allows, ending in CRLF.

    `own` are the finished headers of this mail.
    """
    out = [frame.first, *own, frame.last, _TEXT]
    holes: dict[str, Coded] = {}  # both parts say much the same
    write(text, fixed, holes, out)
    out.append(_HTML)
    write(html, fixed, holes, out)
    out.append(_END)
    return b"".join(out)
