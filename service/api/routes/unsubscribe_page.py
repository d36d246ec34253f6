"""The page behind the unsubscribe link: one card, without JavaScript, in the reader's language, light or dark."""

from base64 import b64encode
from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha256
from html import escape


class UnsubscribePage(StrEnum):
    """The kinds of the page; each has its own title and text."""

    ask = "ask"
    done = "done"
    back = "back"
    mandatory = "mandatory"
    expired = "expired"
    invalid = "invalid"
    unavailable = "unavailable"


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
        "stop": ("Abbestellen", ""),
        "resume": ("Wieder anmelden", ""),
        "undo": ("War das ein Versehen?", ""),
        "once": ("Andere E-Mails sind davon nicht betroffen.", ""),
    },
}
_CSS = """
:root { color-scheme: light dark; --page: #f7f6f3; --card: #fff; --line: #e4e1da; --ink: #1f1d1a; --soft: #6b675f;
  --accent: #c2410c; --on: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --page: #161513; --card: #1f1e1b; --line: #35322d; --ink: #ece9e3; --soft: #a09a8f; --accent: #fb923c;
    --on: #1f1d1a; }
}
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 24px; background: var(--page);
  color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { width: 100%; max-width: 460px; background: var(--card); border: 1px solid var(--line); border-radius: 14px;
  padding: 32px; overflow-wrap: anywhere; }
.brand { margin: 0 0 20px; font-weight: 650; color: var(--soft); }
h1 { margin: 0 0 8px; font-size: 22px; line-height: 1.3; }
p { margin: 0 0 16px; }
.soft { color: var(--soft); font-size: 14px; margin-bottom: 0; }
form { margin: 20px 0 16px; display: flex; flex-wrap: wrap; align-items: center; gap: 12px; }
button { font: inherit; font-weight: 600; padding: 10px 20px; border-radius: 9px; border: 1px solid var(--accent);
  background: var(--accent); color: var(--on); cursor: pointer; }
.quiet button { background: none; color: var(--accent); }
button:focus-visible { outline: 3px solid var(--ink); outline-offset: 2px; }
"""
_HASH = b64encode(sha256(_CSS.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Robots-Tag": "noindex",
    "Vary": "Accept-Language",
}
STOP, RESUME = ("List-Unsubscribe", "One-Click"), ("List-Unsubscribe", "Resubscribe")


def language(accept: str) -> str:
    """Return the first language of an Accept-Language header that has texts, without regard to qualities; else `en`."""
    tags = (part.partition(";")[0].strip().lower().partition("-")[0] for part in accept[:500].split(","))
    return next((tag for tag in tags if tag in _TEXTS), "en")


def page(kind: UnsubscribePage, language: str, product: str, type_title: str = "") -> str:
    """Return the whole page; `type_title` is the notification type's title in that language."""
    texts = _TEXTS[language]
    title, text = texts[kind]
    text = text.format(product=product, title=type_title)
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f'<style>{_CSS}</style></head><body><main><p class="brand">{escape(product)}</p>'
        f"<h1>{escape(title)}</h1><p>{escape(text)}</p>{_form(kind, texts)}</main></body></html>"
    )


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
