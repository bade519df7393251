"""One sandbox for every test of the official clients."""

from collections.abc import Iterator

import pytest
from kiteconnect import KiteConnect

from tests.support.sandbox import SandboxInfo, sandbox_process


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxInfo]:
    with sandbox_process(
        seed=11, extra_args=["--strikes", "4", "--step-ms", "100", "--limits", "off"]
    ) as found:
        yield found


@pytest.fixture
def kite(sandbox: SandboxInfo) -> Iterator[KiteConnect]:
    sandbox.delete("faults")
    sandbox.post("market", frozen=False)
    who = sandbox.account
    client = KiteConnect(who.api_key, who.access_token, root=sandbox.rest_url)
    yield client
    client.reqsession.close()
    sandbox.delete("faults")
