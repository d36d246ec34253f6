"""The stack of `tocsin dev` on ports of its own."""

from pathlib import Path

from service.dev.ports import free_port
from service.dev.stack import DevStack
from service.settings import DevSettings, HttpSettings, Settings


def stack_in(folder: Path) -> DevStack:
    """Return a stack that keeps its data in a folder; it is not started."""
    names = ("kafka_port", "redis_port", "smtp_port", "mail_port", "http_port")
    ports = {name: free_port() for name in names}
    http = HttpSettings(port=ports["http_port"], metrics_port=0)
    return DevStack(Settings(mode="dev", dev=DevSettings(**ports), http=http), folder, print)
