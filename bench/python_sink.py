"""A mail sink in Python that counts as smtp-sink does: python -m bench.python_sink HOST PORT."""

import asyncio
import sys

from aiosmtpd.smtp import SMTP, Envelope, Session


class _CountingHandler:
    """Accepts every message."""

    def __init__(self) -> None:
        self._accepted = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Count a message."""
        self._accepted += 1
        sys.stdout.write(f"mesg={self._accepted}\r")
        sys.stdout.flush()
        return "250 2.0.0 Ok"


async def main(host: str, port: int) -> None:
    """Serve until killed."""
    handler = _CountingHandler()
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(handler, hostname="sink.test"), host, port
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
