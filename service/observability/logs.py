"""Logs: one JSON object a line in production, readable lines in dev, and never an address in either."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import orjson
import structlog

from service.model.mask import mask_value
from service.observability.log_dedup import LogDedup

Fields = MutableMapping[str, Any]


def mask(_logger: Any, _method: str, fields: Fields) -> Fields:
    """A structlog processor: every field that holds anything like an address is masked, at any depth."""
    return {name: mask_value(value) for name, value in fields.items()}


def configure(level: str, form: Literal["json", "console"]) -> None:
    """Set up structlog and the standard library's logging for this process; both end up in the same lines, on stderr.

    Fields bound by `structlog.contextvars.bind_contextvars` (event_id, delivery) are in every line of that context.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(LogDedup("aiokafka", "opentelemetry"))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(form)],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # At INFO its subscriptions and joins would outnumber our own lines; DEBUG shows all.
    logging.getLogger("aiokafka").setLevel(logging.WARNING if level == "INFO" else logging.NOTSET)


def _renderer(form: Literal["json", "console"]) -> structlog.typing.Processor:
    if form == "json":
        return structlog.processors.JSONRenderer(serializer=_json)
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )


def _json(fields: Any, **_options: Any) -> str:
    return orjson.dumps(fields, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
