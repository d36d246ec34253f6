"""A person's preferences as JSON, and the sentences about what stops their mail, in the languages of the pages."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.api.representations.jsonapi import timestamp
from service.model.channels import Channel
from service.model.mask import mask_text
from service.model.reasons import Reason
from service.pipeline.tables.preference_centre import ChannelPreference, PreferenceSheet

_SENTENCES: Mapping[str, Mapping[str, str]] = {
    "en": {
        "unsubscribed": "You unsubscribed from these emails.",
        "complaint": "An email to this address was reported as spam, so no more are sent to it.",
        "suppressed": "Emails to this address came back or were stopped, so no more are sent to it.",
        "mandatory": "You cannot turn this off: it concerns your account, your security or a purchase.",
    },
    "de": {
        "unsubscribed": "Sie haben diese E-Mails abbestellt.",
        "complaint": "Eine E-Mail an diese Adresse wurde als Spam gemeldet, daher werden keine mehr gesendet.",
        "suppressed": "E-Mails an diese Adresse kamen zurück oder wurden gestoppt, daher werden keine mehr gesendet.",
        "mandatory": "Das lässt sich nicht abschalten: Es betrifft Ihr Konto, Ihre Sicherheit oder einen Kauf.",
    },
}


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
    types: list[PreferencesOfType]


class InboxPreference(BaseModel):
    """A choice for a type and a channel."""

    model_config = ConfigDict(extra="forbid", strict=True)

    type: str = Field(max_length=64)
    channel: Literal[tuple(Channel)]  # type: ignore[valid-type]
    on: bool


class InboxPreferenceChanges(BaseModel):
    """Choices to change, all or none; the others stay."""

    model_config = ConfigDict(extra="forbid", strict=True)

    preferences: list[InboxPreference] = Field(min_length=1, max_length=500)


def language_of(locale: str) -> str:
    """Return the language of a locale if there are sentences in it; else `en`."""
    language = locale.replace("_", "-").partition("-")[0].lower()
    return language if language in _SENTENCES else "en"


def sheet_document(sheet: PreferenceSheet, locale: str) -> dict[str, Any]:
    """Return the fields of InboxPreferences, with titles and sentences in the language of `locale`."""
    return {
        "address": mask_text(sheet.address) or None,
        "locale": language_of(locale),
        "types": [
            {
                "type": row.type.name,
                "title": row.type.title_in(locale),
                "domain": row.type.domain,
                "channels": [_channel_document(preference, locale) for preference in row.channels],
            }
            for row in sheet.types
        ],
    }


def _channel_document(preference: ChannelPreference, locale: str) -> dict[str, Any]:
    sentences = _SENTENCES[language_of(locale)]
    return {
        "channel": preference.channel.value,
        "on": preference.on,
        "mandatory": preference.mandatory,
        "since": _time(preference.since_ms),
        "blocked": _block_document(preference, sentences),
        "detail": sentences["mandatory"] if preference.mandatory else None,
    }


def _block_document(preference: ChannelPreference, sentences: Mapping[str, str]) -> dict[str, Any] | None:
    """Return what stops the mail: a suppression stops more, so it comes first."""
    if (suppression := preference.suppression) is not None:
        detail = sentences["complaint" if suppression.reason is Reason.complaint_received else "suppressed"]
        return {"reason": "suppressed", "since": _time(suppression.at_ms), "detail": detail}
    if (unsubscribed := preference.unsubscribed) is not None:
        since = _time(unsubscribed.since_ms)
        return {"reason": "unsubscribed", "since": since, "detail": sentences["unsubscribed"]}
    return None


def _time(at_ms: int) -> str | None:
    return timestamp(at_ms) if at_ms else None
