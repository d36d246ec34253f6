"""CSS inlined once at load, into markup that still holds template tags."""

import re

import css_inline

_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_HELD = re.compile(r"<!--jinja(\d+)jinja-->|jinja(\d+)jinja")


def inlined(source: str, css: str, whole: bool = False) -> str:
    """The markup with `css` as style attributes; at-rules stay in a style element of a `whole` document.

    An HTML parser would move or escape template tags, so comments stand for them meanwhile, and plain words where a
    comment cannot be: in a tag, in a comment, in the title.
    """
    tags: list[str] = []

    def hold(match: re.Match[str]) -> str:
        tags.append(match[0])
        word = f"jinja{len(tags) - 1}jinja"
        return word if _closed(source[: match.start()]) else f"<!--{word}-->"

    held = _TAG.sub(hold, source)
    inliner = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False, extra_css=css)
    styled = inliner.inline(held) if whole else inliner.inline_fragment(held, css)
    return _HELD.sub(lambda match: tags[int(match[1] or match[2])], styled)


def _closed(before: str) -> bool:
    """Whether a comment here would not be one."""
    return any(
        before.rfind(opening) > before.rfind(closing)
        for opening, closing in (("<", ">"), ("<!--", "-->"), ("<title", "</title"))
    )
