"""Faults of the network between a worker and one of its servers: cut, or half-open."""

import asyncio
from collections.abc import Callable

from tests.chaos.environment import ChaosEnvironment
from tests.chaos.scenario import Act
from tests.support.tcp_proxy import TcpProxy

_SHORT_FAULT_S = 4.0
_LONG_FAULT_S = 30.0
NetworkFault = Callable[[TcpProxy], None]


def cut(proxy: TcpProxy) -> None:
    """Reset all connections, and new ones too."""
    proxy.cut()


def half_open(proxy: TcpProxy) -> None:
    """Keep connections open, and pass no byte."""
    proxy.stall()


def answers_held(proxy: TcpProxy) -> None:
    """Pass requests, and hold their answers."""
    proxy.stall(requests=False)


def requests_held(proxy: TcpProxy) -> None:
    """Pass answers, and hold requests."""
    proxy.stall(answers=False)


def between(target: str, fault: NetworkFault, *, then_cut: bool = False) -> Act:
    """Return an act with a fault between the worker and its relay or Redis.

    With `then_cut` the bytes that were held are lost; without, they arrive late.
    """

    async def act(environment: ChaosEnvironment) -> None:
        settings = environment.pipeline.settings
        redis_port = int(settings.redis.url.get_secret_value().rpartition(":")[2].partition("/")[0])
        async with TcpProxy(settings.smtp.port if target == "relay" else redis_port) as proxy:
            variable = {
                "relay": {"TOCSIN_SMTP__PORT": str(proxy.port)},
                "Redis": {"TOCSIN_REDIS__URL": f"redis://127.0.0.1:{proxy.port}/0"},
            }[target]
            environment.pipeline.start_worker(**variable)  # type: ignore[arg-type]
            async with environment.continuous_load(40):
                await environment.wait_for_mail(50)
                fault(proxy)
                await asyncio.sleep(_SHORT_FAULT_S)
                if then_cut:
                    proxy.cut()
                proxy.heal()
                environment.end_fault()
                await environment.wait_for_mail(50)
            await environment.wait_until_settled(environment.published, 240)

    return act


def before_the_broker(fault: NetworkFault, *, others: int) -> Act:
    """Return an act with a fault between one worker and the broker, longer than its session timeout.

    `others` is the number of workers without a fault. What was held arrives late, from a worker whose partitions belong
    to another one by then.
    """

    async def act(environment: ChaosEnvironment) -> None:
        proxy = environment.servers.proxy
        environment.pipeline.start_worker(TOCSIN_KAFKA__BOOTSTRAP=f"127.0.0.1:{proxy.port}")
        for _ in range(others):
            environment.pipeline.start_worker()
        async with environment.continuous_load(30):
            await environment.wait_for_mail(100)
            fault(proxy)
            await asyncio.sleep(_LONG_FAULT_S)
            proxy.heal()
            environment.end_fault()
            await environment.wait_for_mail(50)

    return act
