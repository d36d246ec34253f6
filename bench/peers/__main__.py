"""One process of a peer: python -m bench.peers MODE BOOTSTRAP REDIS_URL SMTP_PORT PARTITIONS."""

import sys

import uvloop

from bench.peers import faststream_ledger, faststream_service


def main() -> None:
    """Run until SIGTERM."""
    mode, bootstrap, redis_url, smtp_port, partitions = sys.argv[1:]
    if mode == "ledger":
        app = faststream_ledger.build(bootstrap, redis_url, int(smtp_port), int(partitions))
    else:
        app = faststream_service.build(mode, bootstrap, redis_url, int(smtp_port))
    uvloop.run(app.run())


if __name__ == "__main__":
    main()
