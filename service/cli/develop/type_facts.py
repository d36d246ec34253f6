"""A notification type in words, as `tocsin types` prints it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from service.cli.support.cells import plural
from service.model.holds.calendar import WEEK

if TYPE_CHECKING:
    from service.model.catalogue import DigestRule, MailLimitRule, NotificationType, Schedule
    from service.model.holds.calendar import QuietHours


def type_row(type_: "NotificationType") -> dict[str, Any]:
    """Return a type's row in a listing."""
    return {
        "name": type_.name,
        "domain": type_.domain,
        "number": type_.number,
        "title": type_.title,
        "channels": ", ".join(type_.channels),
        "audience": ", ".join(f"{r.kind} {r.role}" if r.role else str(r.kind) for r in type_.audience),
    }


def type_facts(type_: "NotificationType") -> Mapping[str, Any]:
    """Return what is known about a type, in words by label."""
    rules = ("mandatory", "security", "notify_actor", "skip_email_if_read")
    facts = {
        "name": type_.name,
        "title": "; ".join((type_.title, *(f"{locale}: {title}" for locale, title in type_.titles.items()))),
        "description": type_.description,
        "domain": type_.domain,
        "audience": type_row(type_)["audience"],
        "channels": ", ".join(type_.channels),
        "lane": type_.lane.value,
        "expires": f"after {_duration(type_.ttl_s)}; kept for {_duration(type_.kept_s)}",
        "link": type_.link,
        "supersedes": type_.supersede,
        "digest": _digest(type_.digest),
        "limit": _limit(type_.limit),
        "quiet hours": _quiet_hours(type_.quiet_hours),
        "schedule": _schedule(type_.schedule),
        "inbox first": f"mail after {_duration(type_.mail_if_unread_s)}, if unread"
        if type_.mail_if_unread_s
        else "",
        "reminders": f"every {_duration(type_.reminders.every_s)}, {plural(type_.reminders.most, 'time')}"
        if type_.reminders
        else "",
        "rules": ", ".join(name.replace("_", " ") for name in rules if getattr(type_, name)),
    }
    return {label: value for label, value in facts.items() if value}


def _digest(rule: "DigestRule | None") -> str:
    if rule is None:
        return ""
    by_default = f"{rule.frequency}, after {_duration(rule.wait_s)}" if rule.wait_s else rule.frequency.value
    parts = (
        f"group {rule.group}" if rule.group else "",
        f"one line for each {rule.key}" if rule.key else "",
        f"{by_default} by default",
        f"daily at {rule.at}, weekly on {rule.day}",
        f"at most {plural(rule.most, 'line')}",
    )
    return "; ".join(filter(None, parts))


def _limit(rule: "MailLimitRule | None") -> str:
    if rule is None:
        return ""
    counts = [f"{count} {span}" for count, span in ((rule.hour, "an hour"), (rule.day, "a day")) if count]
    more = "further mail is skipped" if rule.over == "skip" else "further mail waits"
    return f"{', '.join(counts)}; {more}"


def _quiet_hours(windows: "QuietHours | None") -> str:
    return "; ".join(
        f"{window.start}-{window.end}" + ("" if window.days == WEEK else f" on {', '.join(window.days)}")
        for window in windows or ()
    )


def _schedule(schedule: "Schedule | None") -> str:
    if schedule is None:
        return ""
    days = "" if schedule.days == WEEK else f"on {', '.join(schedule.days)}"
    delay = f"after {_duration(schedule.delay_s)}" if schedule.delay_s else ""
    return " ".join(filter(None, (delay, f"at {schedule.at}" if schedule.at else "", days)))


def _duration(span_s: int) -> str:
    days, hours = span_s // 86_400, span_s // 3600
    if span_s % 86_400 == 0:
        return plural(days, "day")
    if span_s % 3600 == 0:
        return plural(hours, "hour")
    return plural(span_s // 60, "minute") if span_s % 60 == 0 else plural(span_s, "second")
