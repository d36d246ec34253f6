"""Lua scripts, and the calls that run one over the items of a batch: up to 100 items a call."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha1
from pathlib import Path
from typing import Any

from redis.crc import key_slot

from service.adapters.redis.completeness import CompletenessMarks

CHUNK = 100
"""Items a script call. The server runs nothing else meanwhile, and holds back all writes until the call ends: calls of
500 items each cost it half as much again."""

Arg = str | bytes | int
Command = tuple[Arg, ...]
Piece = tuple[Sequence[int], Sequence[Arg]]
"""Items of a batch, at most 100, and their arguments."""
_MISSING = ":-"
"""End of the name of a key that never exists; what is before it chooses its slot."""
_SCRIPTS = Path(__file__).parent / "scripts"


class Script:
    """Lua from `scripts/`; the texts of several names are joined, so that scripts can share functions.

    `complete_only`: the script may be called with a mark, and then refuses to run unless Redis is marked complete. On a
    cluster it refuses to run over a slot that is moving.
    """

    __slots__ = ("_forms", "complete_only", "texts")

    def __init__(self, *names: str, complete_only: bool = False) -> None:
        self.complete_only = complete_only
        self.texts: dict[Arg, str] = {}
        """The text of each form of the script, by digest."""
        self._forms: dict[tuple[bool, bool], str] = {}
        for marked in (False, True) if complete_only else (False,):
            for cluster in (False, True):
                prefixes = ["require_complete"] * marked + ["require_stable_slot"] * cluster
                text = "\n".join((_SCRIPTS / f"{name}.lua").read_text() for name in (*prefixes, *names))
                sha = self._forms[marked, cluster] = sha1(text.encode(), usedforsecurity=False).hexdigest()
                self.texts[sha] = text

    def command(
        self, keys: Sequence[str], args: Sequence[Arg], *, cluster: bool, mark: str | None = None
    ) -> Command:
        """Return the call of the script on these keys, which a cluster has in one slot; `mark` is the slot's."""
        sha = self._forms[mark is not None, cluster]
        all_keys = (
            *(() if mark is None else (mark,)),
            *keys,
            *((f"{keys[0]}{_MISSING}",) if cluster else ()),
        )
        return ("EVALSHA", sha, len(all_keys), *all_keys, *args)


@dataclass(slots=True)
class ScriptCall:
    """One run of a script: its keys, its arguments, and the items of the batch that its results belong to, in order."""

    keys: list[str] = field(default_factory=list)
    args: list[Arg] = field(default_factory=list)
    items: list[int] = field(default_factory=list)
    size: int = 0


class ScriptBatch:
    """The calls that run one script over a batch: at most 100 items a call, and on a cluster one slot a call.

    The arguments of a call are `fixed`, then for each of its keys what the caller appends to `args`. The script returns
    one flat list with one element per item.
    """

    __slots__ = ("_cluster", "_fixed", "_open", "calls", "script")

    def __init__(self, script: Script, cluster: bool, fixed: Sequence[Arg] = ()) -> None:
        self.script = script
        self.calls: list[ScriptCall] = []
        self._cluster = cluster
        self._fixed = fixed
        self._open: dict[int, ScriptCall] = {}

    def add_key(self, key: str, items: Sequence[int], size: int = 0) -> ScriptCall:
        """Add a key with these items of the batch; return its call, to which the caller appends their arguments.

        Append them before the next key is added: a script reads its arguments in the order of its keys. `size`: what
        the key counts for in the limit of a call, if more than its items.
        """
        slot, size = key_slot(key.encode()) if self._cluster else 0, max(size, len(items))
        call = self._open.get(slot)
        if call is None or call.size + size > CHUNK or len(call.keys) == CHUNK:
            call = self._open[slot] = ScriptCall(args=[*self._fixed])
            self.calls.append(call)
        call.keys.append(key)
        call.items += items
        call.size += size
        return call

    def add_pieces(self, pieces: Mapping[str, Sequence[Piece]]) -> None:
        """Add keys with their pieces, in order.

        The arguments of a key are the number of its pieces, then those of each.
        """
        for key, of_key in pieces.items():
            part: list[Piece] = []
            size = 0
            for piece in of_key:
                piece_size = max(1, len(piece[0]))
                if size + piece_size > CHUNK:
                    self._add_part(key, part, size)
                    part, size = [], 0
                part.append(piece)
                size += piece_size
            self._add_part(key, part, size)

    def _add_part(self, key: str, part: Sequence[Piece], size: int) -> None:
        args = self.add_key(key, [item for items, _ in part for item in items], size).args
        args.append(len(part))
        for _, own in part:
            args += own

    def grouped(
        self, names: Iterable[str], key_of: Callable[[str], str] = str
    ) -> Iterator[tuple[int, list[Arg]]]:
        """Add the key of each name with the items that have it. `names`: one for each item, in the batch's order.

        The arguments of a key are the number of its items, then those of each. Yield each item's position with the
        arguments of its call; the caller appends the item's own before it takes the next.
        """
        by_name: dict[str, list[int]] = {}
        for i, name in enumerate(names):
            by_name.setdefault(name, []).append(i)
        for name, items in by_name.items():
            key = key_of(name)
            for part in chunks(items):
                args = self.add_key(key, part).args
                args.append(len(part))
                for i in part:
                    yield i, args

    def commands(self, marks: CompletenessMarks | None = None) -> list[Command]:
        """Return the calls as commands. With `marks`, a `complete_only` script checks the mark of its slot first."""
        marked = marks if self.script.complete_only else None
        return [
            self.script.command(
                call.keys,
                call.args,
                cluster=self._cluster,
                mark=marked.mark_for(call.keys[0]) if marked else None,
            )
            for call in self.calls
        ]

    def results(self, replies: Sequence[Any]) -> list[Any]:
        """Return the result of each item, in the batch's order, from the replies to the calls."""
        if len(self.calls) == 1 and (items := self.calls[0].items) == list(range(len(items))):
            return list(replies[0])
        results: list[Any] = [None] * sum(len(call.items) for call in self.calls)
        for call, reply in zip(self.calls, replies, strict=True):
            for item, result in zip(call.items, reply, strict=True):
                results[item] = result
        return results


def chunks(items: Sequence[int]) -> Sequence[Sequence[int]]:
    """Return the items of one key in parts that fit into a call."""
    if len(items) <= CHUNK:
        return (items,)
    return [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
