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


class SandboxCodeGenerator(CodeGenerator):
    """Jinja2's code generator with faster code for `data.name`, `is none` and shown values.

    The generated code has the same meaning as Jinja2's own.
    """

    def visit_Getattr(self, node: nodes.Getattr, frame: Frame) -> None:  # noqa: N802 - the visitor's name
        """Write `name.attribute` as a look-up where `name` is a dict that has it, else by the sandbox."""
        if not isinstance(node.node, nodes.Name):
            super().visit_Getattr(node, frame)
            return
        self.write(f"(obj[{node.attr!r}] if type(obj := ")
        self.visit(node.node, frame)
        self.write(f") is dict and {node.attr!r} in obj else environment.getattr(obj, {node.attr!r}))")

    def visit_Test(self, node: nodes.Test, frame: Frame) -> None:  # noqa: N802 - the visitor's name
        """Write `is none` without a call."""
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
            self.write(f"environment.{'as_html' if frame.eval_ctx.autoescape else 'as_text'}(")

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        if frame.eval_ctx.volatile:
            super()._output_child_post(node, frame, finalize)
        else:
            self.write(")")


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2's sandbox, with faster paths for the most frequent operations of templates.

    An object of the event's data has its fields and nothing else: `data.items` is a field, never a method.
    """

    code_generator_class: type[CodeGenerator] = SandboxCodeGenerator

    @staticmethod
    def as_html(value: object) -> str:
        """Return a shown value as escaped text, "" for None."""
        if type(value) is str and not _MARKUP(value):
            return value
        return "" if value is None else str(escape(value))

    @staticmethod
    def as_text(value: object) -> str:
        """Return a shown value as text, unescaped, "" for None."""
        return value if type(value) is str else "" if value is None else str(value)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return `obj.attribute`; for a dict its key of that name only, undefined where it has none."""
        if type(obj) is dict:
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return `obj[argument]`; for a dict the same as `getattr`."""
        return self.getattr(obj, argument) if type(obj) is dict else super().getitem(obj, argument)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Return `obj(…)`; a Link is known to be safe and needs no check by the sandbox."""
        return obj(*args) if type(obj) is Link else super().call(context, obj, *args, **kwargs)


def make_environment(*, html: bool, shared: Mapping[str, Any]) -> Environment:
    """Return an environment with our filters, `plural` and the names that all emails share (`product`, `link`).

    It has none of the globals that Jinja2 brings. `html` turns autoescaping on.
    """
    env = Sandbox(
        autoescape=html, undefined=StrictUndefined, finalize=_none_as_empty, keep_trailing_newline=True
    )
    env.globals.clear()
    env.globals.update(shared, plural=_plural)
    env.filters.update(date=_date, datetime=_datetime, number=_number, money=_money)
    return env


def compile_template(env: Environment, source: str, name: str, button: Button = ()) -> Template:
    """Return the template of `source`, with all that is known at this time written into it.

    `product` and `site` are the same in every email, and `button(url, label)` is the markup of `button` around its
    two values. Raise TemplateSyntaxError.
    """
    tree = env.parse(source, name)
    for output in tree.find_all(nodes.Output):
        output.nodes = [part for node in output.nodes for part in _expand(env, node, button)]
    return Template.from_code(env, env.compile(tree, name, name), env.globals)


def parse_button(env: Environment, source: str) -> Button:
    """Return the markup of a button, with the names `url` and `label` in it. Raise TemplateSyntaxError."""
    return [part for output in env.parse(source).find_all(nodes.Output) for part in output.nodes]


def read_source(path: Path) -> str:
    """Return the text of a template file, with LF line ends. Raise OSError, UnicodeDecodeError."""
    return path.read_text("utf-8")


def _expand(env: Environment, node: nodes.Expr, button: Button) -> Iterator[nodes.Expr]:
    """Yield what replaces a node of the output: known text, the parts of a button, or the node itself."""
    if isinstance(node, nodes.Name) and node.name in ("product", "site"):
        known = str(env.globals[node.name])
        yield nodes.TemplateData(str(escape(known)) if env.autoescape else known, lineno=node.lineno)
    elif button and isinstance(node, nodes.Call) and getattr(node.node, "name", "") == "button":
        if len(node.args) != 2 or node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise TemplateSyntaxError("button() takes a link and a label", node.lineno)
        arguments = dict(zip(("url", "label"), node.args, strict=True))
        for part in button:
            yield arguments[part.name] if isinstance(part, nodes.Name) else part
    else:
        yield node


def _none_as_empty(value: object) -> object:
    return "" if value is None else value


@pass_context
def _date(context: Context, value: object) -> str:
    recipient = context.parent["recipient"]
    return formats.show_date(value, recipient["locale"], recipient["timezone"])


@pass_context
def _datetime(context: Context, value: object) -> str:
    recipient = context.parent["recipient"]
    return formats.show_datetime(value, recipient["locale"], recipient["timezone"])


@pass_context
def _number(context: Context, value: object) -> str:
    return formats.show_number(value, context.parent["recipient"]["locale"])


@pass_context
def _money(context: Context, value: object, currency: object) -> str:
    return formats.show_money(value, currency, context.parent["recipient"]["locale"])


@pass_context
def _plural(context: Context, count: object, **forms: str) -> str:
    """Return the word for a count by the locale's plural category: `plural(n, one="bid", other="bids")`."""
    return forms.get(formats.plural_form(count, context.parent["recipient"]["locale"])) or forms["other"]
