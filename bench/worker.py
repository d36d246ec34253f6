"""One worker of Tocsin as a process, optionally with a sampling profile of its CPU time.

python -m bench.worker [--profile FILE]; all other settings by TOCSIN_ variables.
"""

import argparse
import signal
from collections import Counter
from pathlib import Path
from types import FrameType

from service.bootstrap.parts import bootstrap
from service.settings import load
from streams.run import run_worker

_INTERVAL_S = 0.001
_MAX_DEPTH = 40


class Sampler:
    """Samples the stack every millisecond of CPU time. It writes a line per stack, as flame-graph tools read them."""

    def __init__(self) -> None:
        self._stacks: Counter[tuple[str, ...]] = Counter()

    def start(self) -> None:
        """Start sampling."""
        signal.signal(signal.SIGPROF, self._sample)
        signal.setitimer(signal.ITIMER_PROF, _INTERVAL_S, _INTERVAL_S)

    def write(self, path: Path) -> None:
        """Stop sampling, and write the samples."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{';'.join(stack)} {n}\n" for stack, n in self._stacks.most_common()))

    def _sample(self, _: int, frame: FrameType | None) -> None:
        stack: list[str] = []
        while frame is not None and len(stack) < _MAX_DEPTH:
            code = frame.f_code
            stack.append(f"{Path(code.co_filename).stem}.{code.co_name}:{frame.f_lineno}")
            frame = frame.f_back
        self._stacks[tuple(reversed(stack))] += 1


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--profile", type=Path)
    profile: Path | None = parser.parse_args().profile
    sampler = Sampler()
    if profile:
        sampler.start()
    try:
        run_worker(bootstrap(load()))
    finally:
        if profile:
            sampler.write(profile)


if __name__ == "__main__":
    main()
