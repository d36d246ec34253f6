"""The language of a page."""

from collections.abc import Container


def language_of(locale: str) -> str:
    """Return the language of a locale such as `de-AT` or `pt_BR`."""
    return locale.replace("_", "-").partition("-")[0].lower()


def first_language(accepted: str, languages: Container[str]) -> str:
    """Return the first language of a locale or an Accept-Language header that is among these; else `en`.

    Qualities do not matter: browsers list languages in the order of their users' preference.
    """
    tags = (part.partition(";")[0].strip().lower().replace("_", "-") for part in accepted[:500].split(","))
    return next((base for tag in tags if (base := tag.partition("-")[0]) in languages), "en")
