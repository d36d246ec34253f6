"""A person's preferences as JSON, and the sentences about what stops their mail, in the languages of the pages."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.api.representations.jsonapi import timestamp
from service.model.channels import Channel
from service.model.holds.calendar import Frequency, QuietHours, QuietWindow
from service.model.mask import mask_text
from service.model.reasons import Reason
from service.model.validators import check_time_zone
from service.pages.language import first_language
from service.pipeline.tables.preference_centre import ChannelPreference, LocalTimes, PreferenceSheet


class PreferenceSentences(NamedTuple):
    """The words about preferences in one language. `messages`: title and text of pages without switches."""

    language: str
    title: str
    intro: str
    always: str
    none: str
    mandatory: str
    unsubscribed: str
    complaint: str
    suppressed: str
    channels: Mapping[str, str]
    frequency: str
    frequencies: Mapping[str, str]
    messages: Mapping[str, tuple[str, str]]

    def block(self, preference: ChannelPreference) -> str | None:
        """Return what stops the mail; None where nothing does. A suppression stops more, so it comes first."""
        if preference.suppression is not None:
            complaint = preference.suppression.reason is Reason.complaint_received
            return self.complaint if complaint else self.suppressed
        return self.unsubscribed if preference.unsubscribed is not None else None

    def note(self, preference: ChannelPreference) -> str | None:
        """Return what a type's switch needs to be understood: why it is on, or who turned it off; None for nothing."""
        if preference.mandatory:
            return self.mandatory
        return self.unsubscribed if preference.unsubscribed is not None else None


_LANGUAGES = {
    "en": PreferenceSentences(
        language="en",
        title="Your notifications",
        intro="Choose what {product} notifies you of. Emails go to {address}. Each change is saved at once.",
        always="Always on",
        none="Turn off all emails",
        mandatory="This cannot be turned off: it concerns your account, your security or a purchase.",
        unsubscribed="You unsubscribed from these emails.",
        complaint="An email to this address was reported as spam, so no more are sent to it.",
        suppressed="Emails to this address came back or were stopped, so no more are sent to it.",
        channels={"email": "Email", "inbox": "Inbox"},
        frequency="Emails: {frequency}",
        frequencies={
            "instant": "at once",
            "hourly": "once an hour",
            "daily": "once a day",
            "weekly": "once a week",
        },
        messages={
            "expired": ("This link has expired", "Use the link in a newer email. Nothing was changed."),
            "invalid": (
                "This link does not work",
                "It may be incomplete. Open it from the email again. Nothing was changed.",
            ),
            "gone": (
                "There is nothing to choose",
                "You no longer receive notifications by this address or account.",
            ),
            "impossible": ("That cannot be changed", "Go back and load the page again. Nothing was changed."),
            "unavailable": (
                "Please try again shortly",
                "Your preferences cannot be read or saved right now. A change may not have been saved.",
            ),
        },
    ),
    "de": PreferenceSentences(
        language="de",
        title="Ihre Benachrichtigungen",
        intro="Wählen Sie, worüber {product} Sie benachrichtigt. E-Mails gehen an {address}. "
        "Jede Änderung gilt sofort.",
        always="Immer an",
        none="Alle E-Mails abschalten",
        mandatory="Das lässt sich nicht abschalten: Es betrifft Ihr Konto, Ihre Sicherheit oder einen Kauf.",
        unsubscribed="Sie haben diese E-Mails abbestellt.",
        complaint="Eine E-Mail an diese Adresse wurde als Spam gemeldet, daher werden keine mehr gesendet.",
        suppressed="E-Mails an diese Adresse kamen zurück oder wurden gestoppt, daher werden keine mehr gesendet.",
        channels={"email": "E-Mail", "inbox": "Postfach"},
        frequency="E-Mails: {frequency}",
        frequencies={
            "instant": "sofort",
            "hourly": "einmal pro Stunde",
            "daily": "einmal am Tag",
            "weekly": "einmal pro Woche",
        },
        messages={
            "expired": (
                "Dieser Link ist abgelaufen",
                "Nutzen Sie den Link in einer neueren E-Mail. Es wurde nichts geändert.",
            ),
            "invalid": (
                "Dieser Link funktioniert nicht",
                "Vielleicht ist er unvollständig. Öffnen Sie ihn noch einmal aus der E-Mail. Es wurde nichts geändert.",
            ),
            "gone": (
                "Es gibt nichts auszuwählen",
                "Sie erhalten über diese Adresse oder dieses Konto keine Benachrichtigungen mehr.",
            ),
            "impossible": (
                "Das lässt sich nicht ändern",
                "Gehen Sie zurück und laden Sie die Seite neu. Es wurde nichts geändert.",
            ),
            "unavailable": (
                "Bitte versuchen Sie es gleich noch einmal",
                "Ihre Einstellungen können gerade nicht gelesen oder gespeichert werden.",
            ),
        },
    ),
}


def sentences_in(accepted: str) -> PreferenceSentences:
    """Return the words in the first language of a locale or an Accept-Language header that has any; else in English."""
    return _LANGUAGES[first_language(accepted, _LANGUAGES)]


class PreferenceBlock(BaseModel):
    """What stops email of a type, whatever is chosen."""

    reason: Literal["unsubscribed", "suppressed"]
    since: str | None = Field(examples=["2026-11-27T09:00:00Z"])
    detail: str = Field(description="A sentence in the language of the response.")


class PreferenceOfChannel(BaseModel):
    """What is in force for a type and a channel."""

    channel: Literal[tuple(Channel)]  # type: ignore[valid-type]
    on: bool
    mandatory: bool = Field(description="Whether it cannot be turned off.")
    since: str | None = Field(description="Since when that was chosen; null for the default.")
    frequency: Frequency | None = Field(
        description="How often it comes: at once, or in a digest; null where that cannot be chosen."
    )
    blocked: PreferenceBlock | None
    detail: str | None = Field(description="Why it cannot be turned off, a sentence; null where it can.")


class PreferencesOfType(BaseModel):
    """A notification type with its channels."""

    type: str
    title: str = Field(description="In the language of the response.")
    domain: str
    channels: list[PreferenceOfChannel]


class InboxPreferences(BaseModel):
    """All that the caller can be notified of. `address` is where emails go, masked; null without one."""

    address: str | None = Field(examples=["a•••@e•••.com"])
    locale: str
    timezone: str = Field(examples=["Europe/Vienna"])
    quiet_hours: list[QuietWindow] | None = Field(
        description="Spans of local time without email, but for urgent ones; null for the default."
    )
    types: list[PreferencesOfType]


class InboxPreference(BaseModel):
    """A choice for a type and a channel."""

    model_config = ConfigDict(extra="forbid", strict=True)

    type: str = Field(max_length=64)
    channel: Literal[tuple(Channel)]  # type: ignore[valid-type]
    on: bool
    frequency: Frequency | None = Field(
        default=None, strict=False, description="Null keeps the one that was chosen."
    )


class InboxPreferenceChanges(BaseModel):
    """What to change, all or none; the rest stays."""

    model_config = ConfigDict(extra="forbid", strict=True)

    preferences: list[InboxPreference] = Field(default_factory=list, min_length=1, max_length=500)
    timezone: Annotated[str, Field(max_length=64), AfterValidator(check_time_zone)] | None = Field(
        default=None, examples=["Europe/Vienna"]
    )
    quiet_hours: QuietHours | None = Field(default=None, strict=False)


def sheet_document(sheet: PreferenceSheet, locale: str) -> dict[str, Any]:
    """Return the fields of InboxPreferences, with titles and sentences in the language of `locale`."""
    sentences = sentences_in(locale)
    return {
        "address": mask_text(sheet.address) or None,
        "locale": sentences.language,
        "timezone": sheet.times.timezone if sheet.times else "UTC",
        "quiet_hours": _quiet_hours(sheet.times),
        "types": [
            {
                "type": row.type.name,
                "title": row.type.title_in(locale),
                "domain": row.type.domain,
                "channels": [_channel_document(preference, sentences) for preference in row.channels],
            }
            for row in sheet.types
        ],
    }


def _quiet_hours(times: LocalTimes | None) -> list[dict[str, Any]] | None:
    if times is None or times.quiet_hours is None:
        return None
    return [window.model_dump() for window in times.quiet_hours]


def _channel_document(preference: ChannelPreference, sentences: PreferenceSentences) -> dict[str, Any]:
    return {
        "channel": preference.channel.value,
        "on": preference.on,
        "mandatory": preference.mandatory,
        "since": _time(preference.since_ms),
        "frequency": preference.frequency,
        "blocked": _block_document(preference, sentences),
        "detail": sentences.mandatory if preference.mandatory else None,
    }


def _block_document(preference: ChannelPreference, sentences: PreferenceSentences) -> dict[str, Any] | None:
    if (detail := sentences.block(preference)) is None:
        return None
    suppression, unsubscribed = preference.suppression, preference.unsubscribed
    at_ms = suppression.at_ms if suppression else unsubscribed.since_ms if unsubscribed else 0
    reason = "suppressed" if suppression else "unsubscribed"
    return {"reason": reason, "since": _time(at_ms), "detail": detail}


def _time(at_ms: int) -> str | None:
    return timestamp(at_ms) if at_ms else None
