"""An invalid field of a form, reported by checks that the HTTP API and the importer share."""


class FieldProblem(ValueError):
    """An invalid field of a form.

    `field` is the path to the field, outermost name first. `message` is a sentence that does not contain the field's
    value. Names in the path come from the caller and can be of any length.
    """

    def __init__(self, field: tuple[str, ...], message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message
