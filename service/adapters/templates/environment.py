"""The Jinja2 environments: sandboxed and strict. Event data is a value in them, never a template."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template, TemplateSyntaxError, nodes, pass_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.nodes import EvalContext
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing
from markupsafe import escape

from service.adapters.templates import formats

Button = Sequence[nodes.Expr]


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

    def visit_Call(  # noqa: N802 - the visitor's name
        self, node: nodes.Call, frame: Frame, forward_caller: bool = False
    ) -> None:
        """Write `link(…)` as a call, which is known to be safe; any other by the sandbox."""
        plain = not (node.kwargs or node.dyn_args or node.dyn_kwargs or forward_caller)
        if plain and isinstance(node.node, nodes.Name) and node.node.name == "link":
            self.write("environment.globals['link'](")
            for argument in node.args:
                self.visit(argument, frame)
                self.write(", ")
            self.write(")")
        else:
            super().visit_Call(node, frame, forward_caller=forward_caller)

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        if frame.eval_ctx.volatile:
            super()._output_child_pre(node, frame, finalize)
        else:
            self.write("(shown if type(shown := ")

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        if frame.eval_ctx.volatile:
            super()._output_child_post(node, frame, finalize)
        elif frame.eval_ctx.autoescape:
            self.write(") is str and not environment.markup(shown) else environment.as_html(shown))")
        else:
            self.write(") is str else environment.as_text(shown))")


class TemplateNames(dict[str, Any]):
    """The names that one message's templates can use, with their values."""

    def __missing__(self, name: str) -> object:
        return missing


class MessageContext(Context):
    """The context of one message's template: made for each part, and so without what no template of ours uses.

    `blocks` is shared by all messages: rendering does not add to it, since no template extends another.
    """

    def __init__(self, template: Template, blocks: Any, names: TemplateNames) -> None:
        self.environment = template.environment
        own = TemplateNames(names)  # the layout may set names, which its blocks see and no other part
        self.parent = self.vars = own
        self.resolve_or_missing = own.__getitem__  # type: ignore[method-assign, assignment]
        self.name = template.name
        self.blocks = blocks

    @cached_property
    def eval_ctx(self) -> EvalContext:  # type: ignore[override]
        """Return what an autoescape block of a template may change."""
        return EvalContext(self.environment, self.name)

    @cached_property
    def exported_vars(self) -> set[str]:  # type: ignore[override]
        """Return the names that a template sets."""
        return set()


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2's sandbox, with faster paths for the most frequent operations of templates.

    An object of the event's data has its fields and nothing else: `data.items` is a field, never a method.
    """

    code_generator_class: type[CodeGenerator] = SandboxCodeGenerator

    markup = staticmethod(re.compile("[&<>'\"]").search)
    """Finds a character that has to be escaped."""

    @staticmethod
    def as_html(value: object) -> str:
        """Return a shown value as escaped text, "" for None."""
        return "" if value is None else str(escape(value))

    @staticmethod
    def as_text(value: object) -> str:
        """Return a shown value as text, unescaped, "" for None."""
        return "" if value is None else str(value)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return `obj.attribute`; for a dict its key of that name only, undefined where it has none."""
        if type(obj) is dict:
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return `obj[argument]`; for a dict the same as `getattr`."""
        return self.getattr(obj, argument) if type(obj) is dict else super().getitem(obj, argument)


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
