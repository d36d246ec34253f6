"""One worker of ours as a process, with a sampling profile of its CPU time if wanted.

python -m bench.worker [--profile FILE]; everything else by TOCSIN_ settings.
"""

import argparse
import signal
from collections import Counter
from pathlib import Path
from types import FrameType

from service.bootstrap import bootstrap
from service.settings import load
from streams.run import run_worker

_EVERY_S = 0.001
_DEEP = 40


class Sampler:
    """Every millisecond of CPU time, where the interpreter was: one line a stack, as flame graphs take them."""

    def __init__(self) -> None:
        self._stacks: Counter[tuple[str, ...]] = Counter()

    def start(self) -> None:
        """Begin."""
        signal.signal(signal.SIGPROF, self._sample)
        signal.setitimer(signal.ITIMER_PROF, _EVERY_S, _EVERY_S)

    def write(self, path: Path) -> None:
        """End, and write what was seen."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{';'.join(stack)} {n}\n" for stack, n in self._stacks.most_common()))

    def _sample(self, _: int, frame: FrameType | None) -> None:
        stack: list[str] = []
        while frame is not None and len(stack) < _DEEP:
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
