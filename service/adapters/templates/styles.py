"""CSS inlining, done once at load, into markup that still contains template tags."""

import re

import css_inline

_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_PLACEHOLDER = re.compile(r"<!--jinja(\d+)jinja-->|jinja(\d+)jinja")


def inline_css(source: str, css: str, whole: bool = False) -> str:
    """Return the markup with `css` as style attributes; at-rules stay in a style element of a `whole` document.

    An HTML parser would move or escape template tags, so comments replace them during parsing, and plain words where
    no comment is possible: in a tag, in a comment, in the title.
    """
    tags: list[str] = []

    def replace(match: re.Match[str]) -> str:
        tags.append(match[0])
        word = f"jinja{len(tags) - 1}jinja"
        return word if _comment_impossible(source[: match.start()]) else f"<!--{word}-->"

    masked = _TAG.sub(replace, source)
    inliner = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False, extra_css=css)
    styled = inliner.inline(masked) if whole else inliner.inline_fragment(masked, css)
    return _PLACEHOLDER.sub(lambda match: tags[int(match[1] or match[2])], styled)


def _comment_impossible(before: str) -> bool:
    """Return True if a comment after `before` would be inside a tag, a comment or the title."""
    return any(
        before.rfind(opening) > before.rfind(closing)
        for opening, closing in (("<", ">"), ("<!--", "-->"), ("<title", "</title"))
    )
