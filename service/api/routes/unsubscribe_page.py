"""The page behind the unsubscribe link: one card, without JavaScript, in the reader's language, light or dark."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from html import escape

from service.pages.brand import Brand
from service.pages.language import first_language
from service.pages.shell import Shell


class UnsubscribePage(StrEnum):
    """The kinds of the page; each has its own title and text."""

    ask = "ask"
    done = "done"
    back = "back"
    mandatory = "mandatory"
    expired = "expired"
    invalid = "invalid"
    unavailable = "unavailable"
    partly = "partly"


_TEXTS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "en": {
        "ask": ("Stop these emails?", "{product} will no longer send you emails about “{title}”."),
        "done": ("You are unsubscribed", "{product} will no longer send you emails about “{title}”."),
        "back": ("You are subscribed again", "{product} will send you emails about “{title}” again."),
        "mandatory": (
            "These emails cannot be turned off",
            "{product} has to inform you about “{title}”, for example because it concerns your account or a purchase. "
            "Nothing was changed.",
        ),
        "expired": (
            "This link has expired",
            "Use the link in a newer email from {product}. Nothing was changed.",
        ),
        "invalid": (
            "This link does not work",
            "It may be incomplete. Open it from the email again. Nothing was changed.",
        ),
        "unavailable": (
            "Please try again shortly",
            "The change could not be saved right now. Nothing was changed.",
        ),
        "partly": (
            "Please try again shortly",
            "Only a part of the change could be saved right now: “{title}”.",
        ),
        "stop": ("Unsubscribe", ""),
        "resume": ("Subscribe again", ""),
        "undo": ("Was that a mistake?", ""),
        "once": ("Other emails are not affected.", ""),
    },
    "de": {
        "ask": ("Diese E-Mails abbestellen?", "Sie erhalten von {product} keine E-Mails mehr zu „{title}“."),
        "done": ("Sie sind abgemeldet", "{product} sendet Ihnen keine E-Mails mehr zu „{title}“."),
        "back": ("Sie sind wieder angemeldet", "{product} sendet Ihnen wieder E-Mails zu „{title}“."),
        "mandatory": (
            "Diese E-Mails lassen sich nicht abbestellen",
            "„{title}“ muss {product} Ihnen mitteilen, etwa zu Ihrem Konto oder einem Kauf. Es wurde nichts geändert.",
        ),
        "expired": (
            "Dieser Link ist abgelaufen",
            "Nutzen Sie den Link in einer neueren E-Mail von {product}. Es wurde nichts geändert.",
        ),
        "invalid": (
            "Dieser Link funktioniert nicht",
            "Vielleicht ist er unvollständig. Öffnen Sie ihn noch einmal aus der E-Mail. Es wurde nichts geändert.",
        ),
        "unavailable": (
            "Bitte versuchen Sie es gleich noch einmal",
            "Das konnte gerade nicht gespeichert werden. Es wurde nichts geändert.",
        ),
        "partly": (
            "Bitte versuchen Sie es gleich noch einmal",
            "Nur ein Teil der Änderung konnte gerade gespeichert werden: „{title}“.",
        ),
        "stop": ("Abbestellen", ""),
        "resume": ("Wieder anmelden", ""),
        "undo": ("War das ein Versehen?", ""),
        "once": ("Andere E-Mails sind davon nicht betroffen.", ""),
    },
}
_OF_SEVERAL: Mapping[str, Mapping[str, str]] = {
    "en": {
        "ask": "{product} will no longer send you emails about these subjects:",
        "done": "{product} will no longer send you emails about these subjects:",
        "back": "{product} will send you emails about these subjects again:",
        "mandatory": "{product} has to inform you about these subjects. Nothing was changed.",
        "partly": "Only a part of the change could be saved right now. It is about emails on these subjects:",
    },
    "de": {
        "ask": "Sie erhalten von {product} keine E-Mails mehr zu diesen Themen:",
        "done": "{product} sendet Ihnen keine E-Mails mehr zu diesen Themen:",
        "back": "{product} sendet Ihnen wieder E-Mails zu diesen Themen:",
        "mandatory": "Zu diesen Themen muss {product} Sie informieren. Es wurde nichts geändert.",
        "partly": "Nur ein Teil der Änderung konnte gerade gespeichert werden. Es geht um E-Mails zu diesen Themen:",
    },
}
"""The texts of links that are about several types, whose titles follow as a list."""
NOT_INDEXED = {"X-Robots-Tag": "noindex", "Vary": "Accept-Language"}
STOP, RESUME = ("List-Unsubscribe", "One-Click"), ("List-Unsubscribe", "Resubscribe")


def language(accepted: str) -> str:
    """Return the first language of an Accept-Language header that has texts; else `en`."""
    return first_language(accepted, _TEXTS)


def page(kind: UnsubscribePage, language: str, brand: Brand, titles: Sequence[str] = ()) -> str:
    """Return the whole page; `titles` are those of the notification types that it is about, in that language."""
    texts = _TEXTS[language]
    title, text = texts[kind]
    listed = ""
    if len(titles) > 1 and kind in (several := _OF_SEVERAL[language]):
        text, items = several[kind], "".join(f"<li>{escape(one)}</li>" for one in titles)
        listed = f"<ul>{items}</ul>"
    shown = text.format(product=brand.name, title=", ".join(titles))
    content = f"<p>{escape(shown)}</p>{listed}{_form(kind, texts)}"
    robots = '<meta name="robots" content="noindex">'
    return shell_of(brand).card(title, content, language=language, head=robots)


@lru_cache(maxsize=256)
def shell_of(brand: Brand) -> Shell:
    """Return the frame of the pages of a brand."""
    return Shell(brand)


def _form(kind: UnsubscribePage, texts: Mapping[str, tuple[str, str]]) -> str:
    """Return the form with the page's one button, which posts to the page's own address; empty if it has none."""
    match kind:
        case UnsubscribePage.ask:
            note = f'<p class="soft">{escape(texts["once"][0])}</p>'
            return _button("", STOP, texts["stop"][0]) + note
        case UnsubscribePage.back:
            return _button("quiet", STOP, texts["stop"][0])
        case UnsubscribePage.done:
            return f'<p class="soft">{escape(texts["undo"][0])}</p>{_button("quiet", RESUME, texts["resume"][0])}'
        case _:
            return ""


def _button(style: str, field: tuple[str, str], label: str) -> str:
    return (
        f'<form method="post" class="{style}"><input type="hidden" name="{field[0]}" value="{field[1]}">'
        f"<button>{escape(label)}</button></form>"
    )
