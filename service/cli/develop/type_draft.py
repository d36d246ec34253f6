"""A new notification type as files: its table in the catalogue, with a sample, and its text in each locale."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from service.model.catalogue import AudienceRule
from service.model.channels import Channel

_TEXT = re.compile(r"[^{}<>&\"\\%#]{1,80}")
_BUTTONS = {"de": "Details ansehen"}
_AUDIENCES = {
    AudienceRule.users: ('{ kind = "users" }', 'recipients = ["alice"], '),
    AudienceRule.group: ('{ kind = "group" }', 'external_id = "12345", project_id = "", '),
    AudienceRule.account: ('{ kind = "account" }', 'account = "acme", '),
    AudienceRule.role: ('{ kind = "role", role = "admin" }', ""),
}


@dataclass(frozen=True, slots=True)
class TypeDraft:
    """A notification type with one field, `reference`. Raise ValueError for a title that templates cannot hold."""

    name: str
    title: str
    audience: AudienceRule
    channels: Sequence[Channel]

    def __post_init__(self) -> None:
        if not _TEXT.fullmatch(self.title) or not self.title.isprintable():
            raise ValueError('a title has 1 to 80 characters, and none of { } < > & " \\ % #')

    def table(self) -> str:
        """Return the table of the type, as in a file of `catalogue`."""
        rule, sample = _AUDIENCES[self.audience]
        digest = ['digest = { key = "{reference}" }'] if Channel.email in self.channels else []
        return "\n".join(
            (
                f"[{self.name}]",
                f"title = {_toml(self.title)}",
                f"description = {_toml(self.title)}",
                f"audience = [{rule}]",
                f'link = "{self.name.replace("_", "-")}/{{reference}}"',
                f"channels = {json.dumps(list(self.channels))}",
                *digest,
                f'sample = {{ {sample}data = {{ reference = "A-1001" }} }}',
                f"[{self.name}.meta]",
                'reference = { description = "the number of what the event is about" }',
                "",
            )
        )

    def template(self, locale: str) -> str:
        """Return the text in a locale: every block of a template, which its author replaces."""
        text = f"{self.title}: {{{{ data.reference }}}}"
        button = _BUTTONS.get(locale.partition("-")[0], "View details")
        blocks = {
            "subject": text,
            "preheader": self.title,
            "text": f"\n{text}.\n\n{button}: {{{{ action_url }}}}\n",
            "html": f"\n<p>{self.title}: <strong>{{{{ data.reference }}}}</strong>.</p>\n"
            f'{{{{ button(action_url, "{button}") }}}}\n',
            "inbox": f"{text}.",
        }
        return "\n\n".join(f"{{% block {n} %}}{body}{{% endblock %}}" for n, body in blocks.items()) + "\n"

    def write(self, directory: Path, domain: str, locales: Sequence[str]) -> list[Path]:
        """Add the table to the catalogue's file of the domain, and write the templates; return the files."""
        file = directory / "catalogue" / f"{domain}.toml"
        before = file.read_text("utf-8").rstrip() + "\n\n" if file.exists() else ""
        folder = directory / self.name
        folder.mkdir(parents=True, exist_ok=True)
        file.parent.mkdir(exist_ok=True)
        templates = [folder / f"{locale}.j2" for locale in locales]
        for template in templates:
            template.write_text(self.template(template.stem), "utf-8")
        file.write_text(before + self.table(), "utf-8")  # last: a type without its templates cannot be loaded
        return [file, *templates]


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
