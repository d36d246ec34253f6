"""A person's zone and quiet hours as forms of the preferences page, without a script, and the forms' fields back."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from html import escape
from typing import NamedTuple
from zoneinfo import available_timezones

from pydantic import TypeAdapter, ValidationError

from service.model.holds.calendar import WEEK, QuietHours, QuietWindow
from service.model.validators import FieldProblem, check_time_zone
from service.pipeline.tables.preference_centre import LocalTimes, TimesChange

SECTION = "times"
_WINDOWS: TypeAdapter[QuietHours] = TypeAdapter(QuietHours)
_MOST_ROWS = 14
_AREAS = (
    "Africa",
    "America",
    "Antarctica",
    "Arctic",
    "Asia",
    "Atlantic",
    "Australia",
    "Europe",
    "Indian",
    "Pacific",
)
CSS = """
.times { margin: 28px 0 0; } .times h2 { margin: 0 0 8px; font-size: 18px; }
.times form { margin: 0 0 20px; } .times label { font-size: 14px; }
.times fieldset { margin: 0 0 12px; padding: 10px 14px; border: 1px solid var(--line); border-radius: 8px; }
.times legend { padding: 0 6px; font-size: 14px; color: var(--soft); }
.span, .days, .actions { display: flex; flex-wrap: wrap; gap: 8px 16px; align-items: end; }
.span label { display: grid; gap: 2px; } .days { margin-top: 8px; } .days label { padding: 4px 0; }
.zone { display: flex; flex-wrap: wrap; gap: 8px 12px; align-items: end; } .zone label { display: grid; gap: 2px; }
.zone select { max-width: 100%; }
"""


class TimeSentences(NamedTuple):
    """The words about zone and quiet hours in one language. `days`: short names, Monday first."""

    zone: str
    quiet: str
    hint: str
    inherited: str
    window: str
    start: str
    end: str
    days: Sequence[str]
    save: str
    none: str
    default: str
    wrong: str


_LANGUAGES = {
    "en": TimeSentences(
        zone="Time zone",
        quiet="Quiet hours",
        hint="Emails are not sent at these times, but afterwards. Urgent ones are sent at any time.",
        inherited="These are your account’s.",
        window="Quiet hours {number}",
        start="From",
        end="Until",
        days=("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
        save="Save",
        none="No quiet hours",
        default="Use the default",
        wrong="State both times and at least one day, and leave at least an hour of the week free. "
        "Nothing was changed.",
    ),
    "de": TimeSentences(
        zone="Zeitzone",
        quiet="Ruhezeiten",
        hint="Zu diesen Zeiten werden keine E-Mails gesendet, sondern danach. Eilige kommen jederzeit.",
        inherited="Es sind die Ihres Kontos.",
        window="Ruhezeit {number}",
        start="Von",
        end="Bis",
        days=("Mo", "Di", "Mi", "Do", "Fr", "Sa", "So"),
        save="Speichern",
        none="Keine Ruhezeiten",
        default="Vorgabe verwenden",
        wrong="Geben Sie beide Zeiten und mindestens einen Tag an, und lassen Sie mindestens eine Stunde der Woche "
        "frei. Es wurde nichts geändert.",
    ),
}


def time_sentences(language: str) -> TimeSentences:
    """Return the words in a language of the page."""
    return _LANGUAGES[language]


def times_section(times: LocalTimes, texts: TimeSentences, *, wrong: bool = False) -> Iterator[str]:
    """Yield the forms. `wrong`: what was sent before could not be saved."""
    yield f'<section class="times" id="{SECTION}"><h2>{escape(texts.quiet)}</h2>'
    if wrong:
        yield f'<p class="notice" role="alert">{escape(texts.wrong)}</p>'
    inherited = times.quiet_hours is None and times.default is not None
    hint = f"{texts.hint} {texts.inherited}" if inherited else texts.hint
    yield f'<p class="soft" id="quiet-hint">{escape(hint)}</p>'
    yield '<form method="post" aria-describedby="quiet-hint">'
    windows = (times.default if inherited else times.quiet_hours) or ()
    for number, window in enumerate([*windows, None][:_MOST_ROWS]):
        yield _window(number, window, texts)
    yield f'<div class="actions"><button name="times" value="quiet">{escape(texts.save)}</button>'
    if windows:
        yield f'<button class="quiet" name="times" value="none">{escape(texts.none)}</button>'
    if times.quiet_hours is not None:
        yield f'<button class="quiet" name="times" value="default">{escape(texts.default)}</button>'
    yield "</div></form>"
    yield from _zone_form(times.timezone, texts)
    yield "</section>"


def read_times(fields: Mapping[str, Sequence[str]]) -> TimesChange:
    """Return the change that a form makes. Raise FieldProblem for one that cannot be saved."""
    match fields.get("times", [""])[0]:
        case "zone":
            try:
                return {"timezone": check_time_zone(fields.get("zone", [""])[0])}
            except ValueError as error:
                raise FieldProblem(("timezone",), str(error)) from None
        case "none":
            return {"quiet_hours": ()}
        case "default":
            return {"quiet_hours": None}
        case "quiet":
            return {"quiet_hours": _windows(fields)}
    raise FieldProblem(("times",), "There is nothing to change.")


def _windows(fields: Mapping[str, Sequence[str]]) -> QuietHours:
    """Return the windows of those rows of the form that have a time."""
    windows = []
    for number in range(_MOST_ROWS):
        start, end = (fields.get(f"{name}{number}", [""])[0] for name in ("start", "end"))
        if start or end:
            days = fields.get(f"days{number}", ())
            windows.append({"start": start, "end": end, "days": [day for day in WEEK if day in days]})
    try:
        return _WINDOWS.validate_python(windows)
    except ValidationError:
        raise FieldProblem(("quiet_hours",), "These are no quiet hours.") from None


def _window(number: int, window: QuietWindow | None, texts: TimeSentences) -> str:
    """Return the fields of a window, or of one more."""
    legend = texts.window.format(number=number + 1)
    days = "".join(
        f'<label><input type="checkbox" name="days{number}" value="{day.value}"'
        f"{' checked' if window is None or day in window.days else ''}> {escape(name)}</label>"
        for day, name in zip(WEEK, texts.days, strict=True)
    )
    return (
        f'<fieldset><legend>{escape(legend)}</legend><div class="span">'
        f"{_time(f'start{number}', window.start if window else '', texts.start)}"
        f"{_time(f'end{number}', window.end if window else '', texts.end)}"
        f'</div><div class="days">{days}</div></fieldset>'
    )


def _time(name: str, value: str, label: str) -> str:
    return f'<label>{escape(label)}<input type="time" name="{name}" value="{value}"></label>'


def _zone_form(zone: str, texts: TimeSentences) -> Iterator[str]:
    yield '<form method="post"><div class="zone">'
    yield f'<label>{escape(texts.zone)}<select name="zone">'
    for name in dict.fromkeys((zone, *_zones())):
        chosen = " selected" if name == zone else ""
        yield f"<option{chosen}>{escape(name)}</option>"
    yield f'</select></label><button class="quiet" name="times" value="zone">{escape(texts.save)}</button>'
    yield "</div></form>"


@cache
def _zones() -> Sequence[str]:
    """Return the zones by area and city; the others are old names of these."""
    return ("UTC", *sorted(zone for zone in available_timezones() if zone.partition("/")[0] in _AREAS))
