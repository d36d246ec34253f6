"""The error that the embedded stack raises."""


class DevStackError(RuntimeError):
    """A failure of the embedded stack; the text is one line that names the cause and the remedy."""
