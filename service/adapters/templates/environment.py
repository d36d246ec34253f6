"""The Jinja2 environments: sandboxed and strict. Event data is a value in them, never a template."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from io import StringIO
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, StrictUndefined, Template, TemplateSyntaxError, nodes, pass_context
from jinja2.compiler import CodeGenerator
from jinja2.nodes import EvalContext
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing
from jinja2.visitor import NodeTransformer
from markupsafe import escape

from service.adapters.templates import formats
from service.adapters.templates.code_generator import PartCodeGenerator, SandboxCodeGenerator

Button = Sequence[nodes.Expr]
Bodies = Mapping[str, list[nodes.Node]]
"""The bodies of a template's blocks by their names."""
_NO_BODIES: Bodies = MappingProxyType({})
_NO_VALUES: Mapping[str, bytes] = MappingProxyType({})


class TemplateNames(dict[str, Any]):
    """The names that one message's templates can use, with their values. Rendering adds none."""

    def __missing__(self, name: str) -> object:
        return missing


class MessageContext(Context):
    """The context of one message's template: made for each part, and so without what no template of ours uses."""

    name = None
    blocks: Mapping[str, Any] = MappingProxyType({})  # type: ignore[assignment]
    vars: Mapping[str, Any] = MappingProxyType({})  # type: ignore[assignment]

    def __init__(
        self, environment: Environment, names: TemplateNames, encoded: Mapping[str, bytes] = _NO_VALUES
    ) -> None:
        self.environment = environment
        self.encoded = encoded
        self.parent = names

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
        if isinstance(obj, dict):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return `obj[argument]`; for a dict the same as `getattr`."""
        return self.getattr(obj, argument) if isinstance(obj, dict) else super().getitem(obj, argument)


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
    _expand_outputs(env, tree, button)
    return Template.from_code(env, env.compile(tree, name, name), env.globals)


def parse_blocks(env: Environment, source: str, name: str) -> Bodies:
    """Return the blocks of a template. Raise TemplateSyntaxError."""
    return {block.name: block.body for block in env.parse(source, name).find_all(nodes.Block)}


def compile_part(
    generator: type[PartCodeGenerator],
    env: Environment,
    source: str,
    name: str,
    *,
    bodies: Bodies = _NO_BODIES,
    button: Button = (),
) -> Template:
    """Return the template of a whole part: `source` with `bodies` in place of its blocks, else as `compile_template`.

    It is one function, which calls none for each block; `part_pieces` runs it. Raise TemplateSyntaxError.
    """
    tree = env.parse(source, name)
    _BlockFiller(bodies).visit(tree)
    tree.body = [nodes.Scope(tree.body)]  # what the layout sets, its blocks see and no other part
    _expand_outputs(env, tree, button)
    stream = StringIO()
    generator(env, name, name, stream).visit(tree)
    return Template.from_code(env, compile(stream.getvalue(), name, "exec"), env.globals)


def part_pieces(
    part: Template, names: TemplateNames, encoded: Mapping[str, bytes] = _NO_VALUES
) -> Sequence[Any]:
    """Return the pieces of a part: text, or bytes where BodyCodeGenerator wrote its code."""
    return part.root_render_func(  # type: ignore[return-value]  # it is no generator
        MessageContext(part.environment, names, encoded)
    )


class _BlockFiller(NodeTransformer):
    """Replaces each block by its new body, if it has one. What a body sets, nothing after it sees."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies

    def visit_Block(self, node: nodes.Block) -> nodes.Node:  # noqa: N802 - the visitor's name
        """Return the body as a scope of its own."""
        return nodes.Scope(self._bodies.get(node.name, node.body), lineno=node.lineno)


def parse_button(env: Environment, source: str) -> Button:
    """Return the markup of a button, with the names `url` and `label` in it. Raise TemplateSyntaxError."""
    return [part for output in env.parse(source).find_all(nodes.Output) for part in output.nodes]


def _expand_outputs(env: Environment, tree: nodes.Template, button: Button) -> None:
    """Write what is known into every output of a tree."""
    for output in tree.find_all(nodes.Output):
        output.nodes = [part for node in output.nodes for part in _expand(env, node, button)]


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
