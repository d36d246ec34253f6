"""The page behind the unsubscribe link: one card, without JavaScript, in the reader's language, light or dark."""

from base64 import b64encode
from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha256
from html import escape


class UnsubscribePage(StrEnum):
    """What the page says."""

    ask = "ask"
    done = "done"
    back = "back"
    mandatory = "mandatory"
    expired = "expired"
    invalid = "invalid"
    away = "away"


_TEXTS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "en": {
        "ask": ("Stop these mails?", "You will get no more mail about “{what}” from {product}."),
        "done": ("You are unsubscribed", "{product} will send you no more mail about “{what}”."),
        "back": ("You are subscribed again", "{product} will send you mail about “{what}” again."),
        "mandatory": (
            "These mails cannot be turned off",
            "“{what}” is something {product} must tell you, such as about your account or a purchase. "
            "Nothing was changed.",
        ),
        "expired": (
            "This link has expired",
            "Use the link in a newer mail from {product}. Nothing was changed.",
        ),
        "invalid": (
            "This link does not work",
            "It may have been cut off. Open it from the mail itself once more. Nothing was changed.",
        ),
        "away": ("Please try again shortly", "This could not be saved just now. Nothing was changed."),
        "stop": ("Unsubscribe", ""),
        "resume": ("Subscribe again", ""),
        "again": ("Try again", ""),
        "undo": ("Was that a mistake?", ""),
        "once": ("Other mails are not affected.", ""),
    },
    "de": {
        "ask": ("Diese E-Mails abbestellen?", "Sie erhalten von {product} keine E-Mails mehr zu „{what}“."),
        "done": ("Sie sind abgemeldet", "{product} sendet Ihnen keine E-Mails mehr zu „{what}“."),
        "back": ("Sie sind wieder angemeldet", "{product} sendet Ihnen wieder E-Mails zu „{what}“."),
        "mandatory": (
            "Diese E-Mails lassen sich nicht abbestellen",
            "„{what}“ muss {product} Ihnen mitteilen, etwa zu Ihrem Konto oder einem Kauf. Es wurde nichts geändert.",
        ),
        "expired": (
            "Dieser Link ist abgelaufen",
            "Nutzen Sie den Link in einer neueren E-Mail von {product}. Es wurde nichts geändert.",
        ),
        "invalid": (
            "Dieser Link funktioniert nicht",
            "Vielleicht ist er unvollständig. Öffnen Sie ihn noch einmal aus der E-Mail. Es wurde nichts geändert.",
        ),
        "away": (
            "Bitte versuchen Sie es gleich noch einmal",
            "Das konnte gerade nicht gespeichert werden. Es wurde nichts geändert.",
        ),
        "stop": ("Abbestellen", ""),
        "resume": ("Wieder anmelden", ""),
        "again": ("Noch einmal versuchen", ""),
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
    """The first language of an Accept-Language header that there are texts in; qualities are not weighed."""
    wanted = (part.partition(";")[0].strip().lower().partition("-")[0] for part in accept[:500].split(","))
    return next((tag for tag in wanted if tag in _TEXTS), "en")


def page(shown: UnsubscribePage, language: str, product: str, what: str = "") -> str:
    """The whole page. `what`: the type's title, for people."""
    texts = _TEXTS[language]
    title, text = texts[shown]
    text = text.format(product=product, what=what)
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f'<style>{_CSS}</style></head><body><main><p class="brand">{escape(product)}</p>'
        f"<h1>{escape(title)}</h1><p>{escape(text)}</p>{_form(shown, texts)}</main></body></html>"
    )


def _form(shown: UnsubscribePage, texts: Mapping[str, tuple[str, str]]) -> str:
    """The one thing that can be done: posted to the page's own address."""
    once = f'<p class="soft">{escape(texts["once"][0])}</p>'
    match shown:
        case UnsubscribePage.ask:
            return _button("", STOP, texts["stop"][0]) + once
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
