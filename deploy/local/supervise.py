"""The processes of a local run: started, watched, drained in order."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Mapping, Sequence

from msgspec import Struct

from deploy.local.claim import Claim
from deploy.local.environment import Worker
from deploy.local.health import NO_ANSWER, Health, ask
from deploy.local.processes import Child, Launch, bound_log, spawn
from shared.errors import LocalError

#: How often children and probes are looked at, in seconds.
LOOK_S = 0.25
#: Time to drain, in seconds: each worker's own limit and a margin, so that it speaks first.
DRAIN_S: Mapping[str, float] = {
    "ingest": 5.0 + 2.0,
    "enrich": 10.0 + 2.0,
    "executor": 25.0 + 2.0,
    "publisher": 30.0 + 2.0,
    "sandbox": 5.0,
}
OTHER_DRAIN_S = 10.0
#: Each worker that ends by itself is started again, so often within so long; then the run ends.
RESTARTS_MAX, RESTARTS_WITHIN_S = 3, 300.0
#: It would not start with these settings another time either.
BAD_SETTINGS_CODE = 2
#: How often it is said who is not ready yet, in seconds.
STILL_WAITING_S = 10.0


class StartInterrupted(LocalError):
    """Somebody stopped the run while it was starting."""


class Ended(Struct, frozen=True):
    """How a process went when it was asked to."""

    name: str
    exit_code: int
    in_time: bool

    @property
    def clean(self) -> bool:
        """Say whether it drained within its limit without complaint."""
        return self.in_time and self.exit_code == 0

    @property
    def sentence(self) -> str:
        """Return what went wrong."""
        if not self.in_time:
            limit_s = DRAIN_S.get(self.name, OTHER_DRAIN_S)
            return f"{self.name} did not drain within {limit_s:.0f} s and was killed"
        return f"{self.name} drained with exit code {self.exit_code}"


class StopRequest:
    """Somebody's wish that the run end: once politely, a second time in a hurry."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.when_hurried: Callable[[], None] | None = None

    def hurry(self) -> None:
        """Do at once what the polite way would have waited for."""
        if self.when_hurried is not None:
            self.when_hurried()


class Supervisor:
    """Holds the children of one local run."""

    def __init__(self, claim: Claim, stop: StopRequest, tell: Callable[[str], None]) -> None:
        self._claim = claim
        self._stop_request = stop
        self._tell = tell
        stop.when_hurried = self.kill_all
        self._children: dict[str, Child] = {}
        self._servers: dict[str, Child] = {}
        self._restarted_s: defaultdict[str, deque[float]] = defaultdict(
            lambda: deque(maxlen=RESTARTS_MAX)
        )
        #: What ended by itself and was started again, a sentence each.
        self.restarts: list[str] = []

    def start(self, launch: Launch) -> Child:
        """Start a child that is drained at the end.

        Raises:
            LocalError: its program cannot be started.
        """
        child = spawn(launch)
        self._children[launch.name] = child
        self._claim.add(child.identity)
        return child

    def watch_also(self, child: Child | None) -> None:
        """Watch a server that somebody else stops."""
        if child is not None:
            self._servers[child.launch.name] = child

    async def watch(self, restartable: Collection[str] = ()) -> None:
        """Look after all until cancelled: logs stay bounded, an end is noticed.

        Each that is `restartable` is started again, RESTARTS_MAX times within RESTARTS_WITHIN_S.

        Raises:
            LocalError: a child ended by itself for good; the message quotes its log.
        """
        while True:
            for child in tuple(self._children.values()):
                if child.launch.name in restartable and self._may_restart(child):
                    self._restart(child)
            self.check()
            for child in (*self._children.values(), *self._servers.values()):
                bound_log(child.launch.log)
            await asyncio.sleep(LOOK_S)

    def check(self) -> None:
        """Notice a child that is gone.

        Raises:
            LocalError: one ended by itself; the message quotes its log.
        """
        for child in (*self._servers.values(), *self._children.values()):
            if (code := child.exit_code) is not None:
                raise LocalError(
                    f"{child.launch.name} ended by itself ({_how(code)}); "
                    f"the last lines of {child.launch.log}:\n{child.log_tail()}"
                )

    def _may_restart(self, child: Child) -> bool:
        if child.exit_code in (None, BAD_SETTINGS_CODE) or self._stop_request.asked.is_set():
            return False
        latest_s = self._restarted_s[child.launch.name]
        now_s = asyncio.get_running_loop().time()
        return len(latest_s) < RESTARTS_MAX or now_s - latest_s[0] > RESTARTS_WITHIN_S

    def _restart(self, child: Child) -> None:
        code, launch = child.exit_code, child.launch
        assert code is not None, "asked before"
        self._claim.remove(child.identity)
        self._restarted_s[launch.name].append(asyncio.get_running_loop().time())
        self.start(launch)
        said = f"{launch.name} ended by itself ({_how(code)}) and was started again"
        self.restarts.append(said)
        self._tell(f"{said}; its last words are in {launch.log}.1")

    def check_starting(self) -> None:
        """Notice a child that is gone, or that nobody wants to wait any more.

        Raises:
            LocalError: as `check`.
            StartInterrupted: somebody asked us to stop.
        """
        self.check()
        if self._stop_request.asked.is_set():
            raise StartInterrupted("stopped before everything was ready")

    def kill_all(self) -> None:
        """Kill the children at once, for somebody in a hurry; `drain` then finds them gone."""
        for child in self._children.values():
            child.kill_now()

    async def wait_ready(self, probes: Mapping[Worker, int], *, within_s: float) -> None:
        """Wait until every probe (port by worker) says ready.

        Raises:
            LocalError: a child ended, or a worker is not ready in time; the message says why.
            StartInterrupted: somebody asked us to stop.
        """
        last: dict[Worker, Health] = dict.fromkeys(probes, NO_ANSWER)
        told_s = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(within_s):
                while not all(health.ready for health in last.values()):
                    self.check_starting()
                    await asyncio.sleep(LOOK_S)
                    for name, port in probes.items():
                        last[name] = await ask(port)
                    if asyncio.get_running_loop().time() - told_s > STILL_WAITING_S:
                        told_s = asyncio.get_running_loop().time()
                        self._tell(f"waiting for {_unready(last)}")
        except TimeoutError as error:
            raise LocalError(f"not ready within {within_s:.0f} s: {_unready(last)}") from error
        # Whoever answered for it need not have been the child.
        self.check_starting()

    async def drain(self, order: Sequence[str]) -> list[Ended]:
        """Stop the children one after the other, those not named in `order` last."""
        names = [name for name in order if name in self._children]
        names += [name for name in self._children if name not in names]
        return [await self._stop(name) for name in names]

    async def _stop(self, name: str) -> Ended:
        child = self._children.pop(name)
        in_time = await child.stop(within_s=DRAIN_S.get(name, OTHER_DRAIN_S))
        self._claim.remove(child.identity)
        ended = Ended(name, child.exit_code or 0, in_time)
        if not in_time:
            print(f"WARNING: {ended.sentence}", flush=True)
        return ended


def _unready(last: Mapping[Worker, Health]) -> str:
    return ", ".join(f"{name} ({was.reason})" for name, was in last.items() if not was.ready)


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by signal {-code}"
