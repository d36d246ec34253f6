"""The one error that the embedded stack raises."""


class DevStackError(RuntimeError):
    """A part of the embedded stack cannot run; its text is one line that names the cause and the remedy."""
