"""The Jinja2 environments: sandboxed and strict. Event data is a value in them, never a template."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template, TemplateSyntaxError, nodes, pass_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import escape

from service.adapters.templates import formats
from service.adapters.templates.context import Link

Button = Sequence[nodes.Expr]


_MARKUP = re.compile("[&<>'\"]").search


class Code(CodeGenerator):
    """Jinja2's own code, but for what templates do most: `data.name`, `is none`, and a value that is shown.

    They mean what they would without it.
    """

    def visit_Getattr(self, node: nodes.Getattr, frame: Frame) -> None:  # noqa: N802 - the visitor's name
        """`name.attribute`: a look-up where `name` is a dict that has it, else what the sandbox says."""
        if not isinstance(node.node, nodes.Name):
            super().visit_Getattr(node, frame)
            return
        self.write(f"(held[{node.attr!r}] if type(held := ")
        self.visit(node.node, frame)
        self.write(f") is dict and {node.attr!r} in held else environment.getattr(held, {node.attr!r}))")

    def visit_Test(self, node: nodes.Test, frame: Frame) -> None:  # noqa: N802 - the visitor's name
        """`is none`, without a call."""
        if node.name != "none":
            super().visit_Test(node, frame)
            return
        self.write("(")
        self.visit(node.node, frame)
        self.write(" is None)")

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        if frame.eval_ctx.volatile:
            super()._output_child_pre(node, frame, finalize)
        else:
            self.write(f"environment.{'html' if frame.eval_ctx.autoescape else 'text'}(")

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        if frame.eval_ctx.volatile:
            super()._output_child_post(node, frame, finalize)
        else:
            self.write(")")


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2's sandbox, with short ways for what templates do most.

    An object of the event's data has its fields and nothing else: `data.items` is a field, never a method.
    """

    code_generator_class: type[CodeGenerator] = Code

    @staticmethod
    def html(value: object) -> str:
        """A shown value, escaped; None is nothing to read."""
        if type(value) is str and not _MARKUP(value):
            return value
        return "" if value is None else str(escape(value))

    @staticmethod
    def text(value: object) -> str:
        """A shown value as it is; None is nothing to read."""
        return value if type(value) is str else "" if value is None else str(value)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`obj.attribute`"""
        if type(obj) is dict:
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """`obj[argument]`"""
        return self.getattr(obj, argument) if type(obj) is dict else super().getitem(obj, argument)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """`obj(…)`"""
        return obj(*args) if type(obj) is Link else super().call(context, obj, *args, **kwargs)


def environment(*, html: bool, shared: Mapping[str, Any]) -> Environment:
    """Filters, `plural` and what is `shared` by all mails (`product`, `link`); nothing that Jinja2 brings itself."""
    made = Sandbox(autoescape=html, undefined=StrictUndefined, finalize=_shown, keep_trailing_newline=True)
    made.globals.clear()
    made.globals.update(shared, plural=_plural)
    made.filters.update(date=_date, datetime=_datetime, number=_number, money=_money)
    return made


def compiled(env: Environment, source: str, name: str, button: Button = ()) -> Template:
    """A template of `source`, with all that is known now written into it.

    `product` and `site` are the same in every mail, and `button(url, label)` is the markup of `button` around its
    two values. Raises TemplateSyntaxError.
    """
    tree = env.parse(source, name)
    for output in tree.find_all(nodes.Output):
        output.nodes = [part for node in output.nodes for part in _expanded(env, node, button)]
    return Template.from_code(env, env.compile(tree, name, name), env.globals)


def button_of(env: Environment, source: str) -> Button:
    """The markup of a button, with the names `url` and `label` in it. Raises TemplateSyntaxError."""
    return [part for output in env.parse(source).find_all(nodes.Output) for part in output.nodes]


def text_of(path: Path) -> str:
    """A template's source with LF line ends. Raises OSError, UnicodeDecodeError."""
    return path.read_text("utf-8")


def _expanded(env: Environment, node: nodes.Expr, button: Button) -> Iterator[nodes.Expr]:
    if isinstance(node, nodes.Name) and node.name in ("product", "site"):
        known = str(env.globals[node.name])
        yield nodes.TemplateData(str(escape(known)) if env.autoescape else known, lineno=node.lineno)
    elif button and isinstance(node, nodes.Call) and getattr(node.node, "name", "") == "button":
        if len(node.args) != 2 or node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise TemplateSyntaxError("button() takes a link and a label", node.lineno)
        filling = dict(zip(("url", "label"), node.args, strict=True))
        for part in button:
            yield filling[part.name] if isinstance(part, nodes.Name) else part
    else:
        yield node


def _shown(value: object) -> object:
    """None is nothing to read."""
    return "" if value is None else value


@pass_context
def _date(context: Context, value: object) -> str:
    to = context.parent["recipient"]
    return formats.show_date(value, to["locale"], to["timezone"])


@pass_context
def _datetime(context: Context, value: object) -> str:
    to = context.parent["recipient"]
    return formats.show_datetime(value, to["locale"], to["timezone"])


@pass_context
def _number(context: Context, value: object) -> str:
    return formats.show_number(value, context.parent["recipient"]["locale"])


@pass_context
def _money(context: Context, value: object, currency: object) -> str:
    return formats.show_money(value, currency, context.parent["recipient"]["locale"])


@pass_context
def _plural(context: Context, count: object, **forms: str) -> str:
    """`plural(n, one="bid", other="bids")`: the word for a count, by the locale's own categories."""
    return forms.get(formats.plural_form(count, context.parent["recipient"]["locale"])) or forms["other"]
