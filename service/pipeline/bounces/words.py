"""Reader of bounces that are only a text for humans, as qmail, Exim, Exchange, Domino and many providers write them."""

import logging
import re
from email.message import Message
from html import unescape

from flufl.bounce import all_failures

from service.pipeline.bounces.mime import Part, own_parts
from service.pipeline.bounces.report import RecipientReport

_MAX_TEXT = 16_384
_MAX_LINES, _MAX_LINE = 300, 200
"""The size of what flufl.bounce reads: its cost grows with the square of a line."""
_MAX_PARTS, _MAX_FIELDS = 20, 50
_BEGINNING, _AROUND_REPLY = 1000, 800
"""The characters of a long text that are judged: of its beginning, and of a reply that it quotes further on."""
_REPLY = re.compile(
    r"(?<![\d.])[45]\d\d[ -]{1,3}#?[45]\.\d{1,3}\.\d{1,3}(?![\d.]*\d)|\(#[45]\.\d{1,3}\.\d{1,3}\)"
)

# Where the copy of our own message begins: its words must not be taken for those of the bounce.
_COPY = re.compile(
    r"^[ \t>*=_-]{0,80}+(?:"
    r"(?:(?<=--)|(?<=-- ))[^\n]{0,40}(?:original|copy of|returned? (?:message|mail)|unsent|undelivered message|"
    r"forwarded|message (?:header|text|body|follow|content)|below (?:this|the next) line|headers? (?:of|follow)|"
    r"start of)[^\n]{0,80}"
    r"|(?:original message|message headers?|the original|your (?:original )?message|copy of your message)[^\n]{0,40}"
    r"(?:follows?|attached|below|is included)[^\n]{0,40}:?"
    r"|(?:received: (?:from|by)|return-path: ?<|dkim-signature: |mime-version: 1|message-id: ?<)[^\n]{0,200}"
    r")$",
    re.IGNORECASE | re.MULTILINE,
)
_DELAYED = re.compile(
    r"(?:has|have) not yet been (?:delivered|sent)|not been delivered yet|no action is required|"
    r"(?:will|shall) (?:continue|keep|be retried|retry|try again)|attempts? will continue|"
    r"still (?:being )?(?:try|retr|queued|in the queue)|"
    r"delivery (?:is |has been |was |of your \w{1,10} (?:is|has been) )?(?:being )?delayed|"
    r"warning message only|do not (?:need to )?re-?send|you do not need to|temporarily (?:delayed|deferred)|"
    r"message (?:is|has been) (?:being )?(?:delayed|postponed)|"
    r"будут продолжены|wird weiter versucht|noch nicht zugestellt",
    re.IGNORECASE,
)
_FINAL = re.compile(
    r"giv(?:e|en|ing) up|permanent|fatal|could not be delivered|undeliverable|was not delivered|has been returned|"
    r"delivery (?:has )?failed|not retry|no longer be tried|will not be (?:retried|tried)",
    re.IGNORECASE,
)
_TAG = re.compile(r"<[^<>]{0,500}>")
_STYLE = re.compile(r"<(style|script|title)\b[^<]{0,20000}</\1>", re.IGNORECASE)
_BREAK = re.compile(r"<(?:br|/p|/div|/tr|/li|/h\d)\b[^<>]{0,100}>", re.IGNORECASE)

# flufl.bounce logs each detector, and an error with the text of the message
logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL + 1)


def text_of(message: Part) -> str:
    """Return the words for humans, up to the copy of the original message; at most 16 Ki characters.

    Of an HTML part only where there is no plain one.
    """
    plain, html = [], []
    for part in own_parts(message):
        broken = part.content_type.startswith("multipart/") and not part.parts
        if broken or part.content_type == "text/plain":
            plain.append(part.text(_MAX_TEXT))
        elif part.content_type == "text/html":
            html.append(_without_tags(part.text(4 * _MAX_TEXT)))
    text = "\n".join(plain)[:_MAX_TEXT]
    if len(text.strip()) < 20:
        text = "\n".join([*plain, *html])[:_MAX_TEXT]
    return without_copy(text)


def without_copy(text: str) -> str:
    """Return a text up to the copy of the original message; all of it where nothing is before the copy."""
    match = _COPY.search(text)
    kept = text[: match.start()] if match else text
    return kept if len(kept.strip()) >= 20 else text


def read_words(text: str) -> RecipientReport:
    """Return the words to judge; its action is `delayed` where they say that nothing is decided yet, else empty.

    Some gateways write pages for humans before the other server's reply: of a long text, its beginning and a reply.
    """
    delayed = _DELAYED.search(text) is not None and _FINAL.search(text) is None
    words = " ".join(text.split())
    if reply := _REPLY.search(words, _BEGINNING):
        at = max(_BEGINNING, reply.start() - _AROUND_REPLY // 4)
        words = f"{words[:_BEGINNING]} {words[at : at + _AROUND_REPLY]}"
    return RecipientReport("delayed" if delayed else "", "", words)


def find_addresses(message: Part) -> tuple[frozenset[str], frozenset[str]]:
    """Return the addresses that could not be delivered to for a while, and for good, as flufl.bounce finds them.

    It is passed a copy without long lines and large parts, since the cost of its patterns is not linear.
    """
    copy = _bounded(message, [_MAX_PARTS])
    try:
        temporary, permanent = all_failures(copy)
    except Exception:  # whatever its detectors raise: it has found nothing
        return frozenset(), frozenset()
    return _decoded(temporary), _decoded(permanent)


def _without_tags(html: str) -> str:
    return unescape(_TAG.sub(" ", _BREAK.sub("\n", _STYLE.sub(" ", html))))


def _bounded(part: Part, left: list[int]) -> Message:
    """Return a part for flufl.bounce; `left`: the number of parts that may still be added."""
    left[0] -= 1
    copy = Message()
    for name, value in part.fields[:_MAX_FIELDS]:
        if name != "content-transfer-encoding":
            copy[name] = _ascii(value[:500]).replace("\n", " ")
    if not part.get("content-type"):
        copy["content-type"] = part.content_type
    if part.parts:
        copy.set_payload([])
        for inner in part.parts:
            if left[0] > 0:
                copy.attach(_bounded(inner, left))
    elif part.content_type.startswith("text/"):
        lines = part.text(4 * _MAX_TEXT).splitlines()[:_MAX_LINES]
        copy.set_payload(_ascii("".join(f"{line[:_MAX_LINE]}\n" for line in lines)))
    else:
        copy.set_payload("")
    return copy


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode("ascii")


def _decoded(addresses: frozenset[bytes]) -> frozenset[str]:
    return frozenset(address.decode("ascii", "replace")[:320] for address in addresses)
