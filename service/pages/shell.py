"""The shell of our small HTML pages: document, look and content security policy; the content is the caller's.

    shell = Shell(brand)
    HTMLResponse(shell.card("Title", "<p>…</p>", language="de"), headers=shell.headers)

A page can be read from 360 px on, in light and dark, and used by keyboard; its one style sheet is inline, known to
the policy by its hash. Make a shell once for each brand, not for each page: it hashes its style.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from html import escape
from urllib.parse import urlsplit

from service.pages.brand import Brand, BrandFields, default_brand
from service.pages.language import language_of
from service.pages.palette import Palette

_RIGHT_TO_LEFT = frozenset(("ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"))
_FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif'
BASE_STYLE = (
    """
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.55 """
    + _FONT
    + """; }
h1, h2, strong { color: var(--title); }
h1 { margin: 0 0 8px; font-size: 22px; line-height: 1.3; }
p { margin: 0 0 16px; }
a { color: var(--link); }
.soft { color: var(--soft); font-size: 14px; }
.brand { margin: 0 0 20px; font-weight: 650; color: var(--title); }
.brand img { display: block; max-width: 100%; height: auto; }
button, .button { display: inline-block; padding: 10px 20px; border: 1px solid var(--button); border-radius: 8px;
  background: var(--button); color: var(--button-label); font: inherit; font-weight: 600; text-decoration: none;
  cursor: pointer; }
.quiet button, button.quiet { background: none; border-color: var(--soft); color: var(--link); }
input, select, textarea { padding: 8px 12px; border: 1px solid var(--soft); border-radius: 8px;
  background: var(--page); color: var(--text); font: inherit; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 4px; }
@media (prefers-color-scheme: dark) {
  .brand img { padding: 6px 10px; border-radius: 6px; background: var(--logo-plate); }
}
"""
)
"""The style that all pages share, over the variables of `brand_style`."""
_CARD = """
.card { min-height: 100vh; display: grid; place-items: center; padding: 16px; }
.card main { width: 100%; max-width: 480px; padding: 32px 28px 24px; border: 1px solid var(--line);
  border-top: 4px solid var(--link); border-radius: 10px; background: var(--card); overflow-wrap: anywhere; }
.card form { margin: 20px 0 16px; display: flex; flex-wrap: wrap; align-items: center; gap: 12px; }
.card footer { margin-top: 24px; padding-top: 16px; border-top: 1px solid var(--line); color: var(--soft);
  font-size: 14px; }
"""

OWN_BRAND = default_brand(BrandFields(), name="Tocsin", site="", sender_name="")
"""The look of Tocsin's own tools for developers and operators."""


class Shell:
    """The frame of pages in a brand's look. `css` is added to their style.

    `headers` belong to every page: its content security policy. It allows the page's own style, the brand's logo, forms
    to this site, and what `sources` names, such as `{"script-src": "'self'"}`.
    """

    def __init__(self, brand: Brand, css: str = "", sources: Mapping[str, str] | None = None) -> None:
        self._brand = brand
        self._style = brand_style(brand.palette) + BASE_STYLE + _CARD + css
        policy = {
            "default-src": "'none'",
            "style-src": f"'sha256-{b64encode(sha256(self._style.encode()).digest()).decode()}'",
            "form-action": "'self'",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
            **({"img-src": _origin(brand.logo.url)} if brand.logo else {}),
            **(sources or {}),
        }
        self.headers: Mapping[str, str] = {
            "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items())
        }

    def document(
        self, title: str, body: str, *, language: str = "en", head: str = "", body_class: str = ""
    ) -> str:
        """Return a page. `title` is text; `body`, the content of the body element, and `head` are markup."""
        direction = "rtl" if language_of(language) in _RIGHT_TO_LEFT else "ltr"
        return (
            f'<!doctype html>\n<html lang="{escape(language)}" dir="{direction}"><head><meta charset="utf-8">'
            f"<title>{escape(title)}</title>"
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"{head}<style>{self._style}</style></head>"
            f'<body class="{escape(body_class)}">{body}</body></html>'
        )

    def card(self, title: str, content: str, *, language: str = "en", head: str = "") -> str:
        """Return a page of one card: the brand, `title` as its heading, and the markup `content`."""
        main = f'<main><p class="brand">{self.brand_mark}</p><h1>{escape(title)}</h1>{content}{self._support()}</main>'
        return self.document(
            f"{title} · {self._brand.name}", main, language=language, head=head, body_class="card"
        )

    @property
    def brand_mark(self) -> str:
        """Return the markup of the brand's logo, or its name."""
        logo = self._brand.logo
        if logo is None:
            return escape(self._brand.name)
        return f'<img src="{escape(logo.url)}" alt="{escape(logo.alt)}" width="{logo.width}" height="{logo.height}">'

    def _support(self) -> str:
        """Return the foot of a card, with what the brand says about itself; empty where it says nothing."""
        url, address = self._brand.support_url, self._brand.postal_address
        lines = [escape(line) for line in address.splitlines()]
        if url:
            lines.append(f'<a href="{escape(url)}">{escape(url.removeprefix("mailto:"))}</a>')
        return f"<footer>{'<br>'.join(lines)}</footer>" if lines else ""


def brand_style(palette: Palette) -> str:
    """Return the palette as CSS variables, `--page` to `--button-label`, that follow the reader's colour scheme."""
    light, dark = (
        " ".join(f"--{name.replace('_', '-')}: {value};" for name, value in asdict(scheme).items())
        for scheme in (palette.light, palette.dark)
    )
    return (
        f":root {{ color-scheme: light dark; --logo-plate: {palette.light.card}; {light} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
