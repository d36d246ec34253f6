"""The choice of a recipient's template, and the faults of templates that cannot be used."""

import re
from pathlib import Path

import pytest

from service.adapters.templates import TemplateFault, TemplateRenderer
from service.model.catalogue import Catalogue
from service.ports import RenderFailed
from service.settings import MailSettings, TemplateSettings
from tests.support.rendering import NOTE, make_delivery, make_renderer, note_type, template_directory


def note(locale: str) -> str:
    return NOTE.replace("{% block inbox %}{{ data.title }}", "{% block inbox %}" + locale)


@pytest.mark.parametrize(
    ("locale", "chosen"),
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
def test_fallback(tmp_path: Path, locale: str, chosen: str) -> None:
    """The exact locale is chosen first, then its language, then the configured locale."""
    root = template_directory(tmp_path, {f"note/{name}": note(name) for name in ("de", "de-AT", "fr", "en")})
    note_renderer = TemplateRenderer(
        MailSettings(), TemplateSettings(directory=root, locale="fr"), Catalogue({"note": note_type()})
    )

    assert chosen == note_renderer.inbox_line(make_delivery(locale=locale))


def test_english_is_the_last_resort(tmp_path: Path) -> None:
    """English is chosen where even the configured locale is missing."""
    root = template_directory(tmp_path, {"note/en": note("en")})
    note_renderer = TemplateRenderer(
        MailSettings(), TemplateSettings(directory=root, locale="fr"), Catalogue({"note": note_type()})
    )

    assert note_renderer.inbox_line(make_delivery(locale="ja")) == "en"


def test_unknown_type(tmp_path: Path) -> None:
    """A delivery of a type that is not in the catalogue fails, and so does a path as its type."""
    note_renderer = make_renderer(tmp_path)

    for name in ("other", "../note", "layout"):
        with pytest.raises(RenderFailed):
            note_renderer.inbox_line(make_delivery(type=name))


def test_path_as_locale(tmp_path: Path) -> None:
    """A locale is looked up, never opened as a path."""
    assert make_renderer(tmp_path).inbox_line(make_delivery(locale="../../layout/en")) == "Hello"


@pytest.mark.parametrize(
    ("before", "after", "line"),
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
        (
            "{% block inbox %}",
            '{% block inbox %}{{ link("..") }}',
            "a part of a link must not be '.' or '..'",
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
            "note/en.j2: line 4: include is not allowed in a template",
        ),
        ("{{ data.body }}\n", "{{ data.extra.x }}\n", "note/en.j2: UndefinedError: "),
        (
            "{{ data.body }}\n",
            "{{ button('a', 'b') }}\n",
            "note/en.j2: UndefinedError: 'button' is undefined",
        ),
        ("data.title), data.title)", "data.title))", "note/en.j2: line 8: button() takes a link and a label"),
        (
            "{{ data.body }}\n",
            "{{ data.sender_id }}\n",
            "line 4: data.sender_id is the id of a person: show a name",
        ),
        (
            "data.title), data.title)",
            "data.title), data.title if data.title else data.sender_id)",
            "line 8: data.sender_id is the id of a person",
        ),
        (
            "<p>{{ data.body }}</p>",
            "{{ button(link('x'), 'y') }}",
            "line 6: the HTML has 2 buttons, not one: make other links text",
        ),
        (
            '{{ button(link("notes", data.title), data.title) }}',
            "",
            "line 6: the HTML has 0 buttons, not one",
        ),
        (
            '{{ button(link("notes", data.title), data.title) }}',
            '{% if data.extra %}{{ button(link("notes"), data.title) }}{% endif %}',
            "line 6: the button must not depend on a condition",
        ),
    ],
)
def test_check_names_the_fault(tmp_path: Path, before: str, after: str, line: str) -> None:
    """A fault is one line with file and place."""
    assert before in NOTE
    note_renderer = make_renderer(tmp_path, {"note/en": NOTE.replace(before, after)})

    with pytest.raises(TemplateFault) as fault:
        note_renderer.check()

    assert line in str(fault.value)
    assert "\n" not in str(fault.value)


def test_check_needs_a_template_of_every_type(tmp_path: Path) -> None:
    """A type without a template is one line."""
    root = template_directory(tmp_path, {"note/en": NOTE})
    note_renderer = TemplateRenderer(
        MailSettings(),
        TemplateSettings(directory=root),
        Catalogue({"note": note_type(), "other": note_type("other")}),
    )

    with pytest.raises(TemplateFault, match=r"^other/en\.j2 is missing$"):
        note_renderer.check()


def test_check_passes_valid_templates(tmp_path: Path) -> None:
    """Templates that can be rendered raise nothing; links and conditions may have the id of a person."""
    ids = '{% if data.sender_id %}<p><a href="{{ link("users", data.sender_id) }}">x</a></p>{% endif %}'
    conditions = "{{ 'x' if data.sender_id is none else 'y' }}{{ data.sender_id == 'z' }}"
    source = NOTE.replace("<p>{{ data.body }}</p>", ids + conditions)
    make_renderer(tmp_path, {"note/en": NOTE, "note/de": source}).check()


@pytest.mark.parametrize(
    ("file", "old", "new", "line"),
    [
        ("style.css", "}", "}\n[[ words. ]]", None),
        ("html.j2", "</head>", "</head>\n\n\n{% if %}", None),
        ("text.j2", "\n", "\n{{ subject | }}\n", 2),
        ("button.j2", "<", "[% if %]<", 1),
    ],
)
def test_a_fault_of_the_layout_has_its_file_and_line(
    tmp_path: Path, file: str, old: str, new: str, line: int | None
) -> None:
    """Those of the file as its author wrote it, in both passes."""
    root = template_directory(tmp_path, {"note/en": NOTE})
    path = root / "layout" / file
    changed = path.read_text("utf-8").replace(old, new, 1)
    path.write_text(changed, "utf-8")
    line = line or changed[: changed.index(new[-6:])].count("\n") + 1
    renderer = TemplateRenderer(
        MailSettings(), TemplateSettings(directory=root), Catalogue({"note": note_type()})
    )

    with pytest.raises(TemplateFault, match=rf"^layout/{re.escape(file)}: line {line}: "):
        renderer.check()
