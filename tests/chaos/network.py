"""The network between a worker and one of its servers is cut, or half-open."""

import asyncio
from collections.abc import Callable

from tests.chaos.environment import World
from tests.chaos.scenario import Act
from tests.support.tcp_proxy import TcpProxy

_SHORT_SECONDS = 4.0
_LONG_SECONDS = 30.0
Way = Callable[[TcpProxy], None]


def cut(proxy: TcpProxy) -> None:
    """Connections are reset, and new ones too."""
    proxy.cut()


def half_open(proxy: TcpProxy) -> None:
    """Connections stay, and no byte moves."""
    proxy.stall()


def answers_held(proxy: TcpProxy) -> None:
    """Requests arrive, their answers do not."""
    proxy.stall(requests=False)


def requests_held(proxy: TcpProxy) -> None:
    """Answers arrive, requests do not."""
    proxy.stall(answers=False)


def between(target: str, way: Way, *, then_cut: bool = False) -> Act:
    """Between the worker and its relay or Redis. With `then_cut` what was held is lost rather than late."""

    async def act(world: World) -> None:
        settings = world.line.settings
        redis_port = int(settings.redis.url.get_secret_value().rpartition(":")[2].partition("/")[0])
        async with TcpProxy(settings.smtp.port if target == "relay" else redis_port) as proxy:
            variable = {
                "relay": {"TOCSIN_SMTP__PORT": str(proxy.port)},
                "Redis": {"TOCSIN_REDIS__URL": f"redis://127.0.0.1:{proxy.port}/0"},
            }[target]
            world.line.start_worker(**variable)  # type: ignore[arg-type]
            async with world.flow(40):
                await world.mailed(50)
                way(proxy)
                await asyncio.sleep(_SHORT_SECONDS)
                if then_cut:
                    proxy.cut()
                proxy.heal()
                world.healed()
                await world.mailed(50)
            await world.settled(world.published, 240)

    return act


def before_the_broker(way: Way, *, others: int) -> Act:
    """Between one worker and the broker, for longer than its session lasts. `others` have a network that is whole.

    What was held arrives late, from a worker whose partitions are another's by then.
    """

    async def act(world: World) -> None:
        proxy = world.servers.proxy
        world.line.start_worker(TOCSIN_KAFKA__BOOTSTRAP=f"127.0.0.1:{proxy.port}")
        for _ in range(others):
            world.line.start_worker()
        async with world.flow(30):
            await world.mailed(100)
            way(proxy)
            await asyncio.sleep(_LONG_SECONDS)
            proxy.heal()
            world.healed()
            await world.mailed(50)

    return act
