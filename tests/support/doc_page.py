"""A page of the documents: its code blocks, its links and headings, and what it says of running a block.

A comment before a block says how it is run:

- `<!-- not run: REASON -->`: it needs what the tests do not have.
- `<!-- until: TEXT -->`: a command that prints the text gets Ctrl-C then; without it, commands run to their ends.
- `<!-- exit: CODE -->`: the exit code of its last command, 0 otherwise.

A page with `<!-- run by FILE -->` has its programs run by that test, which names the page.
A block with `title="FILE"` after its language is the content of that file.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

LANGUAGES = frozenset(
    {
        "console",
        "python",
        "toml",
        "json",
        "yaml",
        "html",
        "xml",
        "nginx",
        "sh",
        "js",
        "ts",
        "tsx",
        "java",
        "go",
        "css",
        "ini",
        "jinja",
        "text",
    }
)
_FENCE = re.compile(r"^( *)(`{3,})(\w*) *(.*)$")
_TITLE = re.compile(r'title="([^"]+)"')
_DIRECTIVE = re.compile(r"^ *<!-- (not run|until|exit): (.+?) -->$")
_RUN_BY = re.compile(r"^<!-- run by (\S+) -->$", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} +(.+?) *$")
_LINK = re.compile(r"(?<!!)\[[^]]*\]\(<?([^)\s>]+)>?\)")


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a console block, and the lines that it prints, of which `…` stands for any text."""

    line: int
    text: str
    expected: Sequence[str]


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `line`: that of its fence; `title`: the file that it is; `directives`: by name."""

    line: int
    language: str
    text: str
    title: str = ""
    directives: Mapping[str, str] = field(default_factory=dict)

    def commands(self) -> list[Command]:
        """Return the commands of a console block: a line `$ …`, with its continuation lines and here-documents.

        Raise ValueError for a block that does not begin with a command.
        """
        found: list[tuple[int, list[str], list[str]]] = []
        end = ""
        for line, text in enumerate(self.text.splitlines(), self.line + 1):
            if text.startswith("$ ") and not end:
                found.append((line, [text[2:]], []))
                if here := re.search(r"<<-? *'?(\w+)'?", text):
                    end = here[1]
            elif not found:
                raise ValueError(f"line {line}: output before a command")
            elif end or (_is_continued(found[-1][1][-1]) and not found[-1][2]):
                found[-1][1].append(text)
                end = "" if text.strip() == end else end
            else:
                found[-1][2].append(text)
        return [Command(line, "\n".join(text), expected) for line, text, expected in found]


@dataclass(frozen=True, slots=True)
class Page:
    """A page, by its path and text."""

    path: Path
    text: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the page of a file."""
        return cls(path, path.read_text())

    def blocks(self) -> Iterator[Block]:
        """Yield the fenced blocks. Raise ValueError for one without an end."""
        lines = iter(enumerate(self.text.splitlines(), 1))
        directives: dict[str, str] = {}
        for line, text in lines:
            if directive := _DIRECTIVE.match(text):
                directives[directive[1]] = directive[2]
            elif fence := _FENCE.match(text):
                indent, ticks, language, rest = fence.groups()
                content: list[str] = []
                for _, inner in lines:
                    if inner.strip() == ticks:
                        break
                    content.append(inner.removeprefix(indent))
                else:
                    raise ValueError(f"{self.path.name}:{line}: the block has no end")
                title = _TITLE.search(rest)
                yield Block(line, language, "\n".join(content) + "\n", title[1] if title else "", directives)
                directives = {}
            elif text.strip():
                directives = {}

    def programs(self, language: str) -> list[str]:
        """Return the texts of the blocks in a language."""
        return [block.text for block in self.blocks() if block.language == language]

    def section(self, heading: str) -> "Page":
        """Return the page from below a heading to the next one of its level or above. Raise ValueError without it."""
        headings = [
            (line, len(text) - len(text.lstrip("#")), text.lstrip("# ").rstrip())
            for line, text in enumerate(self.prose().splitlines())
            if _HEADING.match(text)
        ]
        for begin, level, name in headings:
            if name == heading:
                end = next((line for line, other, _ in headings if line > begin and other <= level), None)
                return Page(self.path, "\n".join(self.text.splitlines()[begin + 1 : end]) + "\n")
        raise ValueError(f"{self.path.name} has no heading {heading}")

    @property
    def run_by(self) -> str:
        """Return the test that runs the page; an empty text if it is run like the others."""
        found = _RUN_BY.search(self.text)
        return found[1] if found else ""

    def prose(self) -> str:
        """Return the text with its blocks as empty lines."""
        lines, ticks = [], ""
        for text in self.text.splitlines():
            fence = _FENCE.match(text)
            if fence and (not ticks or text.strip() == ticks):
                ticks = "" if ticks else fence[2]
                lines.append("")
            else:
                lines.append("" if ticks else text)
        return "\n".join(lines)

    def links(self) -> Iterator[tuple[int, str]]:
        """Yield line and target of each link in the prose."""
        for line, text in enumerate(self.prose().splitlines(), 1):
            for target in _LINK.findall(re.sub(r"`[^`]*`", "", text)):
                yield line, target

    def anchors(self) -> frozenset[str]:
        """Return the anchors of the headings, as GitHub and the site make them."""
        headings = filter(None, map(_HEADING.match, self.prose().splitlines()))
        return frozenset(anchor_of(heading[1]) for heading in headings)


def anchor_of(heading: str) -> str:
    """Return the anchor of a heading: lower case, blanks as hyphens, nothing but letters, digits, `-` and `_`."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-")


def _is_continued(line: str) -> bool:
    return line.rstrip().endswith(("\\", "|", "&&"))
