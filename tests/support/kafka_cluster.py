"""A real Kafka for the tests: jars by Maven, brokers by Java, one node or three, in KRaft mode."""

from __future__ import annotations

import hashlib
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from shared.streams.kafka_settings import KafkaSettings
from tests.support.eventually import eventually

ROOT = Path(__file__).resolve().parents[2]
POM = ROOT / "tests" / "kafka" / "pom.xml"
FETCH_TIMEOUT_S = 600
START_S = 180.0
#: Any valid id: formatting asks for one.
CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qg"
#: Small, quick to start; the tests hold some megabytes.
_JAVA = [
    *("java", "-Xms64m", "-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
]


def missing() -> str:
    """Return why no Kafka can run on this machine, "" if one can."""
    absent = [program for program in ("java", "mvn") if shutil.which(program) is None]
    return f"the machine has no {' and no '.join(absent)}" if absent else ""


def jars() -> Path:
    """Return the folder of the pinned jars, fetched if it is not there.

    Raises:
        RuntimeError: Maven could not fetch them.
    """
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:16]
    folder = ROOT / "build" / "kafka" / digest
    if (folder / "complete").exists():
        return folder
    argv = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
    fetched = subprocess.run(
        [*argv, f"-DoutputDirectory={folder}"],
        capture_output=True,
        text=True,
        timeout=FETCH_TIMEOUT_S,
        check=False,
    )
    if fetched.returncode:
        raise RuntimeError(f"mvn could not fetch Kafka: {fetched.stdout[-2000:]}")
    (folder / "complete").touch()
    return folder


class Broker:
    """One node: broker and controller."""

    def __init__(
        self,
        home: Path,
        node: int,
        ports: list[tuple[int, int]],
        properties: Mapping[str, str] | None = None,
    ) -> None:
        """`properties` are added to those that let the node run here at all."""
        self.node = node
        self.port, self._controller = ports[node - 1]
        self._home = home
        self._config = home / "server.properties"
        self._process: subprocess.Popen[bytes] | None = None
        home.mkdir(parents=True)
        copies = min(3, len(ports))
        voters = ",".join(f"{n}@127.0.0.1:{port}" for n, (_, port) in enumerate(ports, start=1))
        lines = {
            "process.roles": "broker,controller",
            "node.id": node,
            "controller.quorum.voters": voters,
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self._controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "log.dirs": home / "data",
            "auto.create.topics.enable": "false",
            "offsets.topic.num.partitions": 3,
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1000,
            "log.cleaner.dedupe.buffer.size": 4 * 1024 * 1024,
            **(properties or {}),
        }
        self._config.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        """Return where its topics lie."""
        return self._home / "data"

    @property
    def pid(self) -> int:
        """Return the number of its process, running or not."""
        assert self._process is not None, f"broker {self.node} was not started"
        return self._process.pid

    def format(self) -> None:
        """Write what a node needs before its first start, or copy it from where that was done."""
        kept = jars() / f"formatted-{self.node}"
        if not kept.exists():
            argv = self._argv("kafka.tools.StorageTool")
            subprocess.run(
                [*argv, "format", "-t", CLUSTER_ID, "-c", str(self._config)],
                check=True,
                capture_output=True,
                timeout=START_S,
            )
            shutil.copytree(self._home / "data", kept)
        elif not (self._home / "data").exists():
            shutil.copytree(kept, self._home / "data")

    def start(self) -> None:
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._argv("kafka.Kafka"), str(self._config)], stdout=log, stderr=log
            )

    def kill(self) -> None:
        """End it as a crash would; what it wrote stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it in order: leadership moves first."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_S)
            self._process = None

    def answers(self) -> bool:
        """Say whether it takes connections; raise where it is gone."""
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError(f"broker {self.node} ended: {self.log()}")
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def log(self) -> str:
        return (self._home / "log").read_text(errors="replace")[-4000:]

    def _argv(self, program: str) -> list[str]:
        return [*_JAVA, "-cp", f"{jars()}/*", program]


class Cluster:
    """One node or three."""

    def __init__(self, home: Path, nodes: int, properties: Mapping[str, str] | None = None) -> None:
        ports = [(_free_port(), _free_port()) for _ in range(nodes)]
        numbers = range(1, nodes + 1)
        self.brokers = [Broker(home / str(n), n, ports, properties) for n in numbers]

    @property
    def servers(self) -> str:
        return ",".join(broker.address for broker in self.brokers)

    def settings(self, **more: object) -> KafkaSettings:
        told = {"servers": self.servers, "replication": len(self.brokers), **more}
        return KafkaSettings(**{"request_timeout_s": 5.0, "session_timeout_s": 6.0, **told})

    async def start(self) -> None:
        for broker in self.brokers:
            broker.format()
            broker.start()
        await self.answer()

    async def answer(self) -> None:
        """Wait until every node takes connections."""
        for broker in self.brokers:
            await eventually(broker.answers, within_s=START_S, every_s=0.05)


@contextmanager
def cluster(
    home: Path, nodes: int = 1, properties: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    """Give a cluster that is not started yet, gone with the block."""
    made = Cluster(home, nodes, properties)
    try:
        yield made
    finally:
        for broker in made.brokers:
            broker.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
