"""The Python code of a template: Jinja2's, with faster forms of what messages do most."""

from collections.abc import Iterable
from typing import Any, cast

from jinja2 import TemplateSyntaxError, nodes
from jinja2.compiler import CodeGenerator, Frame

from service.adapters.templates.context import Link
from service.adapters.templates.quoted_printable import encode_piece
from service.ports import RenderFailed


class SandboxCodeGenerator(CodeGenerator):
    """Jinja2's code generator with faster code for `data.name`, `is none` and shown values.

    The generated code has the same meaning as Jinja2's own.
    """

    markup = "environment.markup"
    """What finds markup in a value."""

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
            link = cast(Link, self.environment.globals["link"])
            known = [part.value for part in node.args[:1] if isinstance(part, nodes.Const)]
            try:
                url = link(*known)
            except RenderFailed as error:
                raise TemplateSyntaxError(str(error), node.lineno) from error
            self.write(f"environment.globals['link'].below({url!r}, ")
            for argument in node.args[len(known) :]:
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
            self.write(f") is str and not {self.markup}(shown) else environment.as_html(shown))")
        else:
            self.write(") is str else environment.as_text(shown))")


class PartCodeGenerator(SandboxCodeGenerator):
    """The same for a whole part of a message: the root is a function that returns the list of its pieces.

    That is quicker than a generator of pieces. `data` and `recipient` are Fields.
    """

    markup = "markup"
    pieces = ""
    """The name of that list in the code."""
    _fields = frozenset(("data", "recipient"))

    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:  # noqa: N802 - the visitor's name
        """Write the code, in which a name that the template itself sets may be anything."""
        self._fields -= {name.name for name in node.find_all(nodes.Name) if name.ctx != "load"}
        super().visit_Template(node, frame)

    def blockvisit(self, nodes: Iterable[nodes.Node], frame: Frame) -> None:
        """Write the root's code so that it fills a list."""
        if not frame.rootlevel:
            super().blockvisit(nodes, frame)
            return
        self.buffer(frame)
        self.pieces = str(frame.buffer)
        super().blockvisit(nodes, frame)
        self.writeline(f"return {self.pieces}")

    def write_commons(self) -> None:
        """Write the names that all code uses, as Jinja2 does, but nothing that makes it a generator."""
        self.writeline("resolve = context.parent.__getitem__")
        self.writeline("undefined = environment.undefined")
        self.writeline("concat = environment.concat")
        self.writeline("cond_expr_undefined = Undefined")
        self.writeline("markup = environment.markup")

    def visit_Getattr(self, node: nodes.Getattr, frame: Frame) -> None:  # noqa: N802 - the visitor's name
        """Write `data.name` as a plain look-up."""
        if isinstance(node.node, nodes.Name) and node.node.name in self._fields:
            self.write(f"{frame.symbols.ref(node.node.name)}[{node.attr!r}]")
        else:
            super().visit_Getattr(node, frame)


class BodyCodeGenerator(PartCodeGenerator):
    """The same for a body: its pieces are encoded, constant text here, each value by `encoded` of the context."""

    _encodes = False  # not an output that `set`, `filter`, `call` or a macro captures

    def blockvisit(self, nodes: Iterable[nodes.Node], frame: Frame) -> None:
        """Write the root's code as above."""
        if frame.rootlevel:
            self.writeline("encoded = context.encoded")
        super().blockvisit(nodes, frame)

    def visit_Output(self, node: nodes.Output, frame: Frame) -> None:  # noqa: N802 - the visitor's name
        """Write the pieces of an output."""
        self._encodes = frame.buffer == self.pieces
        super().visit_Output(node, frame)

    def start_write(self, frame: Frame, node: nodes.Node | None = None) -> None:
        """Begin to write a piece that is not of an output, such as that of a filter block."""
        super().start_write(frame, node)
        self.write("encoded[" if frame.buffer == self.pieces else "")

    def end_write(self, frame: Frame) -> None:
        """End what `start_write` has begun."""
        self.write("]" if frame.buffer == self.pieces else "")
        super().end_write(frame)

    def _output_const_repr(self, group: Iterable[Any]) -> str:
        text = "".join(map(str, group))
        return repr(encode_piece(text) if self._encodes else text)

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        self.write("encoded[" if self._encodes else "")
        super()._output_child_pre(node, frame, finalize)

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        super()._output_child_post(node, frame, finalize)
        self.write("]" if self._encodes else "")
