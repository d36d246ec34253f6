"""/preferences/{token}: the page where a person chooses what to be notified of, reached from the footer of their mail.

The token is the credential, and opens the preferences of one person. GET changes nothing, because mail scanners follow
links. Each switch is a button of one form, so a change acts at once and needs no script; zone and quiet hours have
forms of their own.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from html import escape
from urllib.parse import parse_qs, urlencode

import structlog
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from service.api.deps import ApiDeps, Deps, authenticators_of
from service.api.representations import local_times
from service.api.representations.local_times import read_times, time_sentences, times_section
from service.api.representations.preference_sheet import PreferenceSentences, sentences_in
from service.api.routes.unsubscribe_page import NOT_INDEXED
from service.model.channels import Channel
from service.model.holds.calendar import Frequency
from service.model.mask import mask_text
from service.model.validators import FieldProblem
from service.pages.brand import Brand
from service.pages.shell import Shell
from service.pipeline.tables.preference_centre import (
    ChannelPreference,
    PreferenceChange,
    PreferenceOwner,
    PreferenceSheet,
    TypePreference,
)
from service.pipeline.tables.unsubscribe_tokens import TokenExpired
from service.ports import Unavailable

PATH = "/preferences"
router = APIRouter(prefix=PATH, tags=["unsubscribe"], include_in_schema=False)
log = structlog.get_logger(__name__)

_STATUS = {"expired": 410, "invalid": 404, "gone": 410, "impossible": 422, "unavailable": 503}
_MAX_BYTES = 8192
_MAX_FIELDS = 200  # 15 rows of quiet hours
_ALL = "*"
_Fields = Mapping[str, Sequence[str]]
_CSS = (
    """
.card { place-items: start center; }
.card main { max-width: 720px; }
.card form { display: block; margin: 0; }
.notice { margin: 0 0 20px; padding: 12px 16px; border-inline-start: 4px solid var(--link); border-radius: 6px;
  background: var(--hover); }
ul { margin: 8px 0 20px; padding: 0; list-style: none; }
li { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 4px 16px; align-items: center; padding: 14px 0;
  border-bottom: 1px solid var(--line); scroll-margin: 24px; }
li h2 { margin: 0; font-size: 16px; line-height: 1.4; font-weight: 600; }
li:not(:has(.soft)) h2 { grid-row: 1 / span 2; }
li .soft { grid-column: 1; margin: 0; }
.switches { grid-row: 1 / span 2; grid-column: 2; display: flex; gap: 8px; }
.switch { display: inline-flex; align-items: center; gap: 8px; min-height: 40px; padding: 6px 12px; border-radius: 20px;
  border: 1px solid var(--soft); background: none; color: var(--text); font-weight: 500; font-size: 14px; }
.switch::before { content: ""; width: 30px; height: 18px; border-radius: 9px; background: var(--soft);
  background-image: radial-gradient(circle at 9px 9px, var(--card) 6px, transparent 6.5px); }
.switch[aria-checked="true"] { border-color: var(--button); color: var(--title); }
.switch[aria-checked="true"]::before { background-color: var(--button);
  background-image: radial-gradient(circle at 21px 9px, var(--card) 6px, transparent 6.5px); }
[dir="rtl"] .switch::before { transform: scaleX(-1); }
.often { grid-column: 1 / -1; font-size: 14px; } .often summary { cursor: pointer; padding: 4px 0; color: var(--soft); }
.often div { display: flex; flex-wrap: wrap; gap: 8px; padding: 6px 0; }
.often button { padding: 6px 12px; border-radius: 20px; border-color: var(--soft); background: none; color: var(--text);
  font-size: 14px; font-weight: 500; }
.often button[aria-pressed="true"] { border-color: var(--button); background: var(--button);
  color: var(--button-label); }
.always { display: inline-flex; align-items: center; min-height: 40px; padding: 0 12px; color: var(--soft);
  font-size: 14px; }
@media (max-width: 560px) {
  .card main { padding: 24px 18px; } li { grid-template-columns: minmax(0, 1fr); }
  .switches { grid-row: auto; grid-column: 1; flex-wrap: wrap; margin-top: 6px; }
}
@media (forced-colors: active) { .switch::before { border: 1px solid ButtonText; forced-color-adjust: none; }
  .often button[aria-pressed="true"] { border-width: 3px; } }
"""
    + local_times.CSS
)


@router.get("/{token}")
async def show_preferences(token: str, request: Request, deps: Deps) -> Response:
    """Return the page with a switch for every type and channel, or the reason why there is none."""
    page = _Page(request, deps)
    owner = _owner(token, request, deps)
    if isinstance(owner, str):
        return page.message(owner)
    try:
        sheet = await deps.preference_centre.read(owner)
    except Unavailable as error:
        return page.unavailable(error)
    return page.sheet(sheet) if sheet else page.message("gone")


@router.post("/{token}")
async def change_preferences(token: str, request: Request, deps: Deps) -> Response:
    """Make the change of the pressed button, and show the page again. A repeat changes nothing."""
    page = _Page(request, deps)
    owner = _owner(token, request, deps)
    if isinstance(owner, str):
        return page.message(owner)
    fields = _fields(await request.body())
    try:
        sheet = await deps.preference_centre.read(owner)
        if sheet is None:
            return page.message("gone")
        change = _change_times if "times" in fields else _change_choices
        return await change(owner, fields, sheet, page, deps)
    except FieldProblem:
        return page.message("impossible")
    except Unavailable as error:
        return page.unavailable(error)


async def _change_choices(
    owner: PreferenceOwner, fields: _Fields, sheet: PreferenceSheet, page: "_Page", deps: ApiDeps
) -> Response:
    """Change what the pressed switch or frequency says; show the page as it is where the form says nothing."""
    changes = _changes(fields, sheet)
    if not changes:
        return page.sheet(sheet, status=400)
    await deps.preference_centre.change(owner, changes)
    return page.again(changes[0].type if len(changes) == 1 else "")


async def _change_times(
    owner: PreferenceOwner, fields: _Fields, sheet: PreferenceSheet, page: "_Page", deps: ApiDeps
) -> Response:
    """Change zone or quiet hours; show the page with an error where they cannot be saved."""
    try:
        times = read_times(fields)
    except FieldProblem:
        return page.sheet(sheet, status=422, wrong_times=True)
    await deps.preference_centre.change(owner, [], times)
    return page.again(local_times.SECTION)


def _owner(token: str, request: Request, deps: ApiDeps) -> PreferenceOwner | str:
    """Return the person of a token, or the name of the message for a token that has expired or is not ours."""
    tokens = authenticators_of(request).preferences
    if tokens is None:
        return "invalid"
    try:
        return tokens.read(token, deps.clock.now_ms())
    except TokenExpired:
        return "expired"
    except ValueError:
        return "invalid"


def _fields(body: bytes) -> _Fields:
    """Return the fields of a form; none for what is not a form, or too large for one of this page."""
    try:
        return parse_qs(body[:_MAX_BYTES].decode("ascii"), max_num_fields=_MAX_FIELDS)
    except ValueError:
        return {}


def _changes(fields: _Fields, sheet: PreferenceSheet) -> Sequence[PreferenceChange]:
    """Return the changes of the pressed button, `TYPE:CHANNEL:on`; none where the form names none.

    Instead of `on` it may have a frequency.
    """
    type_name, _, rest = fields.get("set", [""])[0].partition(":")
    channel, _, state = rest.partition(":")
    if type_name and state in list(Frequency):
        return [PreferenceChange(type_name, channel, on=True, frequency=Frequency(state))]
    if not type_name or state not in ("on", "off"):
        return ()
    if type_name == _ALL:
        return [
            PreferenceChange(row.type.name, one.channel, state == "on")
            for row in sheet.types
            for one in row.channels
            if one.channel == channel and not one.mandatory
        ]
    return [PreferenceChange(type_name, channel, state == "on")]


class _Page:
    """The page in the reader's language and the look of the brand that the link names."""

    def __init__(self, request: Request, deps: ApiDeps) -> None:
        self._accepted = request.headers.get("accept-language", "")
        key = request.query_params.get("brand", "")
        self._brand = deps.brands.named(key)
        self._path = request.url.path
        self._query = f"?{urlencode({'brand': key})}" if self._brand.key else ""

    def message(self, kind: str) -> Response:
        """Return a page without switches."""
        texts = sentences_in(self._accepted)
        title, text = texts.messages[kind]
        return self._response(title, f"<p>{escape(text)}</p>", texts, _STATUS[kind])

    def unavailable(self, error: Unavailable) -> Response:
        """Return the page of an outage."""
        log.warning("dependency_unavailable", error=error.reason)
        return self.message("unavailable")

    def again(self, anchor: str) -> Response:
        """Return a redirection to a place of the page: a reload shows it and does not send the form again."""
        return RedirectResponse(f"{self._path}{self._query}{anchor and '#'}{anchor}", 303)

    def sheet(self, sheet: PreferenceSheet, status: int = 200, *, wrong_times: bool = False) -> Response:
        """Return the page with the switches."""
        texts = sentences_in(self._accepted or sheet.locale)
        content = "".join(_content(sheet, texts, self._brand))
        if sheet.times is not None:
            words = time_sentences(texts.language)
            content += "".join(times_section(sheet.times, words, wrong=wrong_times))
        return self._response(texts.title, content, texts, status)

    def _response(self, title: str, content: str, texts: PreferenceSentences, status: int) -> Response:
        shell = _shell_of(self._brand)
        robots = '<meta name="robots" content="noindex">'
        html = shell.card(title, content, language=texts.language, head=robots)
        retry = {"Retry-After": "5"} if status == 503 else {}
        return HTMLResponse(html, status, {**shell.headers, **NOT_INDEXED, **retry})


@lru_cache(maxsize=256)
def _shell_of(brand: Brand) -> Shell:
    return Shell(brand, _CSS)


def _content(sheet: PreferenceSheet, texts: PreferenceSentences, brand: Brand) -> Iterator[str]:
    address = mask_text(sheet.address)
    yield f"<p>{escape(texts.intro.format(product=brand.name, address=address))}</p>" if address else ""
    blocked = next((one for row in sheet.types for one in row.channels if one.suppression), None)
    if blocked and (block := texts.block(blocked)):
        yield f'<p class="notice" role="status">{escape(block)}</p>'
    yield '<form method="post"><ul>'
    for row in sheet.types:
        yield from _item(row, texts)
    yield "</ul>"
    channels = {one.channel for row in sheet.types for one in row.channels if not one.mandatory and one.on}
    if Channel.email in channels:
        yield f'<button class="quiet" name="set" value="{_ALL}:email:off">{escape(texts.none)}</button>'
    yield "</form>"


def _item(row: TypePreference, texts: PreferenceSentences) -> Iterator[str]:
    name, title = escape(row.type.name), escape(row.type.title_in(texts.language))
    yield f'<li id="{name}"><h2 id="{name}-title">{title}</h2>'
    notes = dict.fromkeys(filter(None, map(texts.note, row.channels)))
    yield "".join(f'<p class="soft">{escape(note)}</p>' for note in notes)
    yield '<div class="switches">'
    if all(one.mandatory for one in row.channels):
        yield f'<span class="always">{escape(texts.always)}</span>'
    else:
        yield from (_switch(name, one, texts.channels) for one in row.channels)
    yield "</div>"
    yield from (_often(name, one, one.frequency, texts) for one in row.channels if one.on and one.frequency)
    yield "</li>"


def _often(name: str, preference: ChannelPreference, frequency: Frequency, texts: PreferenceSentences) -> str:
    """Return the choice of a frequency, which opens without a script: a button each, that in force is pressed."""
    summary = texts.frequency.format(frequency=texts.frequencies[frequency])
    buttons = "".join(
        f'<button name="set" value="{name}:{preference.channel.value}:{one.value}" '
        f'aria-pressed="{str(one is frequency).lower()}">{escape(texts.frequencies[one])}</button>'
        for one in Frequency
    )
    return (
        f'<details class="often"><summary>{escape(summary)}</summary>'
        f'<div role="group" aria-labelledby="{name}-title">{buttons}</div></details>'
    )


def _switch(name: str, preference: ChannelPreference, names: Mapping[str, str]) -> str:
    """Return the switch of a channel: pressing it sends what it is not."""
    state, turned = ("true", "off") if preference.on else ("false", "on")
    return (
        f'<button class="switch" role="switch" aria-checked="{state}" id="{name}-{preference.channel.value}" '
        f'aria-labelledby="{name}-{preference.channel.value} {name}-title" '
        f'name="set" value="{name}:{preference.channel.value}:{turned}">'
        f"{escape(names[preference.channel])}</button>"
    )
