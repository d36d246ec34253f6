"""Reader of bounces that are only a text for humans, as qmail, Exim, Exchange, Domino and many providers write them."""

import re
from html import unescape

from service.pipeline.bounces.mime import Part, own_parts
from service.pipeline.bounces.report import RecipientReport

_MAX_TEXT = 16_384
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
    r"del[ie]ver(?:y|ing)\b.{0,80}\b(?:failed|aborted)|not delivered to|not retry|no longer be tried|"
    r"will not be (?:retried|tried)|failed recipients|did not (?:reach|receive)|did not exactly match|"
    r"(?:un|n.t |not )able to deliver|can ?not be delivered|"
    r"pas pu [eê]tre d[eé]livr[eé]|无法(?:发送|送达)",
    re.IGNORECASE,
)
_TAG = re.compile(r"<[^<>]{0,500}>")
_STYLE = re.compile(r"<(style|script|title)\b[^<]{0,20000}</\1>", re.IGNORECASE)
_BREAK = re.compile(r"<(?:br|/p|/div|/tr|/li|/h\d)\b[^<>]{0,100}>", re.IGNORECASE)


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
    """Return the words to judge. The action is `delayed` or `failed` where they say so; empty where they say both.

    Some gateways write pages for humans before the other server's reply: of a long text, its beginning and a reply.
    """
    words = " ".join(text.split())
    if reply := _REPLY.search(words, _BEGINNING):
        at = max(_BEGINNING, reply.start() - _AROUND_REPLY // 4)
        words = f"{words[:_BEGINNING]} {words[at : at + _AROUND_REPLY]}"
    return RecipientReport(_action(text), "", words)


def _action(text: str) -> str:
    delayed, final = _DELAYED.search(text), _FINAL.search(text)
    if delayed and final:
        return ""
    return "delayed" if delayed else "failed" if final else ""


def _without_tags(html: str) -> str:
    return unescape(_TAG.sub(" ", _BREAK.sub("\n", _STYLE.sub(" ", html))))
