"""Log configuration: one JSON object a line in production, readable lines in development.

No line has an address, or the text of an unforeseen exception.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import orjson
import structlog

from service.model.mask import mask_value
from service.observability.exception_text import ExceptionText, format_exceptions
from service.observability.log_dedup import LogDedup

Fields = MutableMapping[str, Any]
LogFormat = Literal["json", "console"]


def mask(_logger: Any, _method: str, fields: Fields) -> Fields:
    """Return the fields with everything that looks like an address masked, at any depth; a structlog processor."""
    return {name: mask_value(value) for name, value in fields.items()}


_SHARED: tuple[structlog.typing.Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    format_exceptions,
    mask,  # after format_exceptions, so that a traceback is masked too
)
"""Applied to structlog's lines and to those of the standard library."""


def route_to_stdlib(*, cache_loggers: bool = False) -> None:
    """Pass structlog's lines to the standard library's loggers, whose levels and handlers then decide.

    Call it in a process that does not call `configure`: structlog would otherwise print to stdout, between the results
    of a CLI verb.
    """
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=cache_loggers,
    )


def configure(level: str, log_format: LogFormat) -> None:
    """Set up structlog and the standard library's logging of this process; both write the same lines to stderr.

    Fields bound by `structlog.contextvars.bind_contextvars` (event_id, delivery) are in every line of that context.
    """
    route_to_stdlib(cache_loggers=True)
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(LogDedup("aiokafka", "opentelemetry"))
    handler.addFilter(ExceptionText())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *_SHARED],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(log_format)],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # At INFO aiokafka's lines about subscriptions and joins would outnumber Tocsin's own; DEBUG shows all.
    logging.getLogger("aiokafka").setLevel(logging.WARNING if level == "INFO" else logging.NOTSET)


def _renderer(log_format: LogFormat) -> structlog.typing.Processor:
    if log_format == "json":
        return structlog.processors.JSONRenderer(serializer=_json)
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )


def _json(fields: Any, **_options: Any) -> str:
    return orjson.dumps(fields, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
