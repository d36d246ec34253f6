"""One vocabulary: words that the field does not use have a replacement, in code, logs, docs and alerts alike."""

import ast
import re
from collections import Counter
from collections.abc import Iterator

from tests.architecture.source import functions, product, text_of, tracked

BANNED = {
    r"told": "published, recorded, emitted, reported",
    r"re-?tell(s|ing)?|retold": "emit again",
    r"mend(s|ed|ing)?": "fix",
    r"put(s|ting)? off": "defer",
    r"who(ever)? hears?": "recipients",
    r"made anew|anew": "recreated, again",
    r"goes on|go on": "continues",
    r"stumbl(e|es|ed|ing)": "failed",
    r"for want of": "because there is no",
    r"led astray": "misparsed",
    r"in the midst": "during",
    r"taken back|take(s)? back": "withdrawn, revoked",
    r"what it came to|comes? to an end": "outcome, ends",
    r"gives? way": "yields",
    r"stands? (elsewhere|against|already)": "is in another state, blocks, is stored",
    r"lenient(ly)?": "tolerant",
    r"whoever|somebody|everybody|nobody": "the worker, the recipient, the caller",
    r"hangs? on": "depends on, is fenced by",
    r"tried again|tries again": "retried",
    r"so many a second": "rate limit",
    r"verdicts?": "decision",
    r"dead letters? (goes|go) back": "redrive",
    r"disown(s|ed)?": "renew the owner epoch",
    r"watermarks?": "committable offset",
    r"ways in": "credentials",
    r"are well": "are normal",
}
"""Pattern → replacement. Identifiers are not matched where the word is only a part of one."""

BANNED_NAMES = {
    "told": "outcome, decoded, fields",
    "standing": "current, stored",
    "stood": "current, stored",
    "said": "detail, text",
    "asked": "query, requested, filter",
    "given": "a noun",
    "wish": "filter",
    "verdict": "decision",
    "letter": "dead_letter",
    "trail": "operation_log",
    "judged": "decisions",
    "bars": "blocks",
    "away": "unavailable",
    "meant": "selected",
    "desk": "session",
    "sight": "view",
}
"""Names of variables, parameters and attributes → what to call them."""

VAGUE = re.compile(
    r"(What|Who|Whom|Whose|Whoever|Whether|Where|When|Why|How|As|It|Its|They|Them|Their|All|Those|These|This|That"
    r"|Everybody|Nobody|Somebody|Everything|Nothing|Something)\b"
)
_PROSE = (".py", ".md", ".yml", ".yaml", ".lua", ".html", ".js", ".css", ".toml", ".sh")
_EXEMPT = (
    "tests/architecture/test_words.py",
    "CONTEXT.md",  # its last column lists words that are not used
    "templates/",
    "docs/api/openapi.json",
    "bench/peers/templates/",
)


def _prose() -> Iterator[str]:
    for name in tracked():
        if name.endswith(_PROSE) and not name.startswith(_EXEMPT):
            yield name


def test_banned_words_are_absent() -> None:
    """Each pattern is looked for as whole words; a quoted word is data. The message names the replacement."""
    patterns = {
        re.compile(rf"(?<![\w'\"@|-])(?:{words})(?![\w'\"@|-])", re.IGNORECASE): words for words in BANNED
    }
    hits = [
        f"{name}:{text_of(name)[: match.start()].count(chr(10)) + 1}: {match[0]!r} -> {BANNED[words]}"
        for name in _prose()
        for pattern, words in patterns.items()
        for match in pattern.finditer(text_of(name))
    ]
    assert not hits, "\n".join(hits)


def test_banned_names_are_absent() -> None:
    """A variable, a parameter or an attribute of the product has a noun of the field as its name."""
    hits = []
    for name, tree in product().items():
        for node in ast.walk(tree):
            match node:
                case ast.Name(id=used, ctx=ast.Store()) | ast.arg(arg=used):
                    pass
                case ast.Attribute(attr=used, ctx=ast.Store()):
                    used = used.lstrip("_")
                case _:
                    continue
            if used in BANNED_NAMES:
                hits.append(f"{name}:{node.lineno}: {used} -> {BANNED_NAMES[used]}")
    assert not hits, "\n".join(hits)


def test_found_is_rarely_a_name() -> None:
    """It says that there is a value and not which. A few loops that search something may keep it."""
    counts = Counter(
        name
        for name, tree in product().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == "found"
    )
    assert counts.total() <= 40, counts.most_common(10)


def test_docstrings_are_imperative() -> None:
    """A function's docstring says what it does (Return …, Raise …), not with a pronoun or a question word first."""
    hits = [
        f"{name}:{node.lineno}: {node.name}: {docstring.splitlines()[0]}"
        for name, node in functions()
        if (docstring := ast.get_docstring(node)) and VAGUE.match(docstring)
    ]
    assert not hits, "\n".join(hits)


def test_log_events_are_snake_case_names() -> None:
    """An event is a constant name with fields, so that it can be searched for and counted."""
    methods = {"debug", "info", "warning", "error", "exception", "critical"}
    hits = []
    for name, tree in product().items():
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=method)) if method in methods:
                    event = (
                        node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
                    )
                    if len(node.args) != 1 or not re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", str(event)):
                        hits.append(f"{name}:{node.lineno}: {ast.unparse(node)[:80]}")
    assert not hits, "\n".join(hits)
