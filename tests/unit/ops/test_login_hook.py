"""Somebody else's program, well-behaved or not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from shared.errors import LocalError
from shared.ops.login_hook import run_hook
from shared.secret import Secret
from tests.support.eventually import eventually

TOKEN = "a1B2c3D4e5F6"


async def hook(code: str, *more: str, timeout_s: float = 20.0, **environ: str) -> str:
    token = await run_hook(
        [sys.executable, "-c", code, *more],
        account="AB1234",
        login_url=Secret("https://broker.example/?api_key=k"),
        environ={"PATH": os.environ["PATH"], **environ},
        timeout_s=timeout_s,
    )
    return token.reveal()


async def test_what_the_hook_prints_is_the_token() -> None:
    assert await hook(f"print('{TOKEN}')") == TOKEN


async def test_arguments_reach_the_hook_without_a_shell(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    code = f"import sys; assert sys.argv[1] == '$(touch {victim})'; print('{TOKEN}')"
    assert await hook(code, f"$(touch {victim})") == TOKEN
    assert not victim.exists()


async def test_hook_finds_account_and_address_but_none_of_our_secrets() -> None:
    code = (
        "import os; e = os.environ\n"
        "assert e['KITE_LOGIN_ACCOUNT'] == 'AB1234' and 'api_key=k' in e['KITE_LOGIN_URL']\n"
        "assert not [n for n in e if n.startswith(('TICKFLOW_', 'REDIS_', 'POSTGRES_'))]\n"
        f"print('{TOKEN}', end=e['MINE'])"
    )
    ours = {"TICKFLOW_ACCOUNTS__ENCRYPTION_KEYS": "k", "REDIS_URL": "r", "POSTGRES_URL": "p"}
    assert await hook(code, MINE="", **ours) == TOKEN


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('s3cr3t pr1nt'); raise SystemExit(3)", "ended with 3"),
        ("print('s3cr3t pr1nt')", "no request token"),
        ("pass", "no request token"),
        ("import sys; sys.stdout.buffer.write(b'\\xff\\xfe')", "no request token"),
        ("print('s3cr3t pr1nt' * 10**6)", "printed over 8192 bytes"),
    ],
)
async def test_hook_that_fails_is_told_without_its_output(code: str, said: str) -> None:
    with pytest.raises(LocalError, match=said) as caught:
        await hook(code)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.slow
async def test_hook_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    code = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(pids)!r} + '~', 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        f"os.rename({str(pids)!r} + '~', {str(pids)!r})\n"
        "time.sleep(600)"
    )
    with pytest.raises(LocalError, match="took over 1 s"):
        await hook(code, timeout_s=1.0)
    await eventually(lambda: not any(map(is_alive, pids.read_text().split())))


@pytest.mark.slow
async def test_child_that_outlives_the_hook_holds_nobody_up() -> None:
    code = (
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(5)'], "
        "start_new_session=True)\n"
        f"print('{TOKEN}')"
    )
    with pytest.raises(LocalError, match="took over 1 s"):
        await hook(code, timeout_s=1.0)


async def test_hook_that_is_not_there_is_told() -> None:
    with pytest.raises(LocalError, match="cannot be run: No such file"):
        await run_hook(
            ["/nowhere/at/all"], account="A", login_url=Secret("u"), environ={}, timeout_s=1
        )


def is_alive(pid: str) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
