"""CSS inlining around template tags."""

from service.adapters.templates.styles import inline_css


def test_tags_survive_as_written() -> None:
    """Tags keep their text and place: in content, in attributes, in tables, in comments, in the title."""
    source = (
        '<html><head><title>{{ a }}</title></head><body><!--[if mso]>{{ b }}<![endif]--><p class="{{ c["x"] }}">'
        '{% if d < 1 and e > "&" %}<b>{{ f }}</b>{% endif %}</p>'
        "<table><tbody>{% for g in h %}<tr><td>{{ g }}</td></tr>{% endfor %}</tbody></table></body></html>"
    )

    assert source == inline_css(source, "", whole=True)


def test_styles_reach_the_elements() -> None:
    """Rules become attributes; tags are not touched."""
    assert inline_css("<p>{{ data.x }}</p>", "p { margin: 0; }") == '<p style="margin: 0;">{{ data.x }}</p>'
