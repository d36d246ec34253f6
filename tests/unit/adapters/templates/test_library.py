"""Which template a recipient gets, and what is wrong with templates that cannot be used."""

from pathlib import Path

import pytest

from service.adapters.templates import TemplateFault, TemplateRenderer
from service.model.catalogue import Catalogue
from service.ports import RenderFailed
from service.settings import MailSettings, TemplateSettings
from tests.support.rendering import NOTE, directory, letter, renderer, row


def note(locale: str) -> str:
    return NOTE.replace("{% block inbox %}{{ data.title }}", "{% block inbox %}" + locale)


@pytest.mark.parametrize(
    ("locale", "found"),
    [
        ("de-AT", "de-AT"),
        ("de_AT", "de-AT"),
        ("de-CH", "de"),
        ("DE", "de"),
        ("fr-CA", "fr"),
        ("ja", "fr"),
        ("", "fr"),
    ],
)
def test_fallback(tmp_path: Path, locale: str, found: str) -> None:
    """The exact locale, its language, the configured one."""
    root = directory(tmp_path, {f"note/{name}": note(name) for name in ("de", "de-AT", "fr", "en")})
    made = TemplateRenderer(
        MailSettings(), TemplateSettings(directory=root, locale="fr"), Catalogue({"note": row()})
    )

    assert found == made.inbox_line(letter(locale=locale))


def test_english_is_the_last_resort(tmp_path: Path) -> None:
    """English, where even the configured locale is missing."""
    root = directory(tmp_path, {"note/en": note("en")})
    made = TemplateRenderer(
        MailSettings(), TemplateSettings(directory=root, locale="fr"), Catalogue({"note": row()})
    )

    assert made.inbox_line(letter(locale="ja")) == "en"


def test_unknown_type(tmp_path: Path) -> None:
    """A delivery of a type that is not in the catalogue fails, and so does a path as its type."""
    made = renderer(tmp_path)

    for name in ("other", "../note", "layout"):
        with pytest.raises(RenderFailed):
            made.inbox_line(letter(type=name))


def test_path_as_locale(tmp_path: Path) -> None:
    """A locale is looked up, never opened as a path."""
    assert renderer(tmp_path).inbox_line(letter(locale="../../layout/en")) == "Hello"


@pytest.mark.parametrize(
    ("was", "now", "line"),
    [
        (
            "{% block inbox %}{{ data.title }}{% endblock %}",
            "",
            "note/en.j2: line 1: block 'inbox' is missing",
        ),
        (
            "{% block inbox %}",
            "{% block x %}{% endblock %}{% block inbox %}",
            "line 1: block 'x' is not one of",
        ),
        ("data.body }}\n{%", "data.bdy }}\n{%", "note/en.j2: line 4: data.bdy is not a field of note"),
        ("{{ data.body }}\n", "{{ data.body }\n", "note/en.j2: line 4: "),
        ("{{ data.body }}\n", "{{ data.body|nope }}\n", "note/en.j2: line 4: No filter named 'nope'"),
        (
            "{{ data.body }}\n",
            "{{ recipient.address }}\n",
            "note/en.j2: line 4: recipient.address is unknown",
        ),
        ("{{ data.body }}\n", "{{ env }}\n", "note/en.j2: line 4: env is unknown"),
        (
            "{{ data.body }}\n",
            "{% include 'x' %}\n",
            "note/en.j2: line 4: include is not for the templates of types",
        ),
        ("{{ data.body }}\n", "{{ data.extra.x }}\n", "note/en.j2: UndefinedError: "),
        (
            "{{ data.body }}\n",
            "{{ button('a', 'b') }}\n",
            "note/en.j2: UndefinedError: 'button' is undefined",
        ),
        ("data.title), data.title)", "data.title))", "note/en.j2: line 8: button() takes a link and a label"),
    ],
)
def test_check_names_the_fault(tmp_path: Path, was: str, now: str, line: str) -> None:
    """What is wrong is one line with file and place."""
    assert was in NOTE
    made = renderer(tmp_path, {"note/en": NOTE.replace(was, now)})

    with pytest.raises(TemplateFault) as fault:
        made.check()

    assert line in str(fault.value)
    assert "\n" not in str(fault.value)


def test_check_wants_every_type(tmp_path: Path) -> None:
    """A type without a template is one line."""
    root = directory(tmp_path, {"note/en": NOTE})
    made = TemplateRenderer(
        MailSettings(), TemplateSettings(directory=root), Catalogue({"note": row(), "other": row("other")})
    )

    with pytest.raises(TemplateFault, match=r"^other/en\.j2 is missing$"):
        made.check()


def test_check_passes_what_is_right(tmp_path: Path) -> None:
    """Nothing is said of templates that can be rendered."""
    renderer(tmp_path, {"note/en": NOTE, "note/de": NOTE}).check()
