"""Whole logins: command line, broker, database, announcement, worker."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from shared.accounts.settings import AccountSettings
from shared.accounts.token_state import TokenState
from shared.clock import SystemClock
from shared.secret import Secret
from shared.wire.topics import CONTROL
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

#: How soon a worker has to hold the new token.
SWAP_S = 2.0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_words):
        return None


def follow(url: str) -> str:
    """Return where a page leads, as a browser would be told."""
    try:
        urllib.request.build_opener(_NoRedirect).open(url, timeout=5)
    except urllib.error.HTTPError as error:
        with error:
            return error.headers["Location"]
    raise AssertionError(f"{url} leads nowhere")


def broker_accepts(desk, token: str) -> bool:
    request = urllib.request.Request(
        f"{desk.sandbox.rest_url}/user/profile",
        headers={"Authorization": f"token {desk.account.api_key}:{token}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)["data"]["user_id"] == desk.account.id
    except urllib.error.HTTPError as error:
        error.close()
        return False


async def test_login_reaches_a_running_worker_within_two_seconds(desk) -> None:
    added = await desk.add()
    assert (added.code, added.stdout) == (0, f"account {desk.account.id}: added\n"), added.stderr
    async with desk.book() as book:
        live = book.account(desk.account.id)
        assert live.state(SystemClock().now_ns()) is TokenState.MISSING
        tokens = []
        for _ in range(2):
            seen = live.generation
            done = await desk.login()
            assert done.code == 0, done.stderr
            await asyncio.wait_for(live.wait_changed(seen), SWAP_S)
            tokens.append(live.token().reveal())
            assert broker_accepts(desk, tokens[-1])
            assert tokens[-1] not in done.output
        assert tokens[0] != tokens[1]
        status = live.status(SystemClock().now_ns())
        assert status.token in {TokenState.OK, TokenState.EXPIRING}
        assert status.last_verified_us
        assert (status.credentials_from, status.session_from) == ("PostgreSQL", "PostgreSQL")


async def test_account_added_switched_and_logged_out_reaches_a_running_worker(desk) -> None:
    name = desk.account.id
    await desk.add()
    await desk.login()
    async with desk.book() as book:
        live = book.account(name)
        assert live.token()
        assert (await desk.run("accounts", "disable", name)).code == 0
        await eventually(lambda: not live.is_enabled, within_s=SWAP_S)
        assert (await desk.run("accounts", "enable", name)).code == 0
        await eventually(lambda: live.is_enabled, within_s=SWAP_S)
        old = live.token().reveal()
        assert (await desk.run("session", "logout", name)).code == 0
        await eventually(lambda: not live.token(), within_s=SWAP_S)
        assert not broker_accepts(desk, old)
        await desk.run("accounts", "add", "CD5678", given="key2\nsecret2\n")
        await eventually(lambda: "CD5678" in book.accounts, within_s=SWAP_S)


async def test_lost_announcement_is_made_up_for_by_the_poll(desk) -> None:
    await desk.add()
    async with desk.book(poll_s=0.2) as book:
        live = book.account(desk.account.id)
        given = desk.request_token() + "\n"
        nowhere = {"TICKFLOW_REDIS__TICKS_URL": "unix:///nowhere/redis.sock"}
        done = await desk.run("session", "login", desk.account.id, given=given, **nowhere)
        assert done.code == 3
        assert "kept, but not announced" in done.stderr
        await eventually(live.token, within_s=SWAP_S)


async def test_login_through_the_browser_is_caught_on_the_loopback(desk) -> None:
    await desk.add()
    words = ("session", "login", desk.account.id, "--callback", "--no-browser", "--json")
    process = await desk.start(*words, TICKFLOW_ACCOUNTS__CALLBACK_PORT="0")
    try:
        line = (await asyncio.wait_for(process.stderr.readline(), 30)).decode()
        start = re.search(r"http://127\.0\.0\.1:(\d+)/\S+", line)
        login = await asyncio.to_thread(follow, start[0])
        assert login.startswith(f"{desk.sandbox.rest_url}/connect/login?")
        query = dict(parse_qsl(urlsplit(login).query))
        assert query["api_key"] == desk.account.api_key
        landed = dict(parse_qsl(urlsplit(await asyncio.to_thread(follow, login)).query))
        back = {**landed, **dict(parse_qsl(query["redirect_params"]))}
        url = f"http://127.0.0.1:{start[1]}/?{urlencode(back)}"
        with await asyncio.to_thread(urllib.request.urlopen, url, None, 5) as page:
            assert page.status == 200
        out, err = await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert process.returncode == 0, err
    told = json.loads(out)
    assert (told["is_verified"], told["announced"], told["version"]) == (True, True, 1)
    assert landed["request_token"] not in out.decode() + err.decode()


async def test_login_that_is_pasted_names_the_page_of_the_broker_that_is_configured(desk) -> None:
    await desk.add()
    done = await desk.login()
    assert f"Log in at {desk.sandbox.rest_url}/connect/login?api_key=" in done.stderr


async def test_unattended_login_takes_what_the_hook_prints(desk, tmp_path: Path) -> None:
    await desk.add()
    hook = tmp_path / "hook.py"
    hook.write_text(
        "import json, os, urllib.request as u\n"
        f"body = json.dumps({{'account': os.environ['KITE_LOGIN_ACCOUNT']}}).encode()\n"
        f"print(json.load(u.urlopen({desk.sandbox.control_url + '/login'!r}, body))"
        "['request_token'])\n"
    )
    argv = json.dumps([sys.executable, str(hook)])
    done = await desk.run("session", "login", desk.account.id, TICKFLOW_ACCOUNTS__LOGIN_HOOK=argv)
    assert done.code == 0, done.stderr
    assert "accepted by the broker" in done.stdout


async def test_token_given_by_hand_is_kept_once_the_broker_accepts_it(desk) -> None:
    await desk.add()
    name = desk.account.id
    wrong = await desk.run("session", "set", name, given="w" * 32 + "\n")
    assert wrong.code == 1
    assert "w" * 32 not in wrong.output
    right = await desk.run("session", "set", name, given=desk.account.access_token + "\n")
    assert right.code == 0, right.stderr
    async with desk.book() as book:
        assert book.account(name).token().reveal() == desk.account.access_token


async def test_session_of_another_user_is_refused_and_not_kept(desk) -> None:
    other = await desk.run("accounts", "add", "CD5678", given="key1\nsecret1\n")
    assert other.code == 0, other.stderr
    token = desk.sandbox.post("login", account="SB0001")["request_token"]
    done = await desk.run("session", "login", "CD5678", given=token + "\n")
    assert done.code == 1
    assert "the session is of 'SB0001'" in done.stderr
    async with desk.book() as book:
        assert not book.account("CD5678").token()


async def test_request_token_spent_wrong_or_missing_makes_no_session(desk) -> None:
    await desk.add()
    spent = desk.request_token()
    assert (await desk.run("session", "login", desk.account.id, given=spent + "\n")).code == 0
    for given in (spent, "f" * 32):
        done = await desk.run("session", "login", desk.account.id, given=given + "\n")
        assert done.code == 1
        assert given not in done.output
    for given in ("", "not a token\n"):
        done = await desk.run("session", "login", desk.account.id, given=given)
        assert done.code == 2


async def test_status_tells_times_and_what_the_broker_says(desk) -> None:
    await desk.add()
    await desk.login()
    name = desk.account.id
    (found,) = (await desk.run("session", "status", name, "--verify", "--json")).json
    assert found["token"] in {"OK", "EXPIRING"}
    assert found["issued_us"] < found["last_verified_us"] < found["expires_us"]
    desk.sandbox.post("faults", kind="token_death", account=name)
    dead = await desk.run("session", "status", name, "--verify", "--json")
    assert (dead.code, dead.json[0]["token"]) == (3, "EXPIRED")
    plain = await desk.run("accounts", "list")
    assert name in plain.stdout
    assert (await desk.run("session", "status", "ZZ99")).code == 4


async def test_keys_rotate_under_a_running_worker(desk) -> None:
    await desk.add()
    await desk.login()
    assert (await desk.run("accounts", "new-key", str(desk.keys))).code == 0
    rotated = await desk.run("accounts", "rotate-key")
    assert (rotated.code, rotated.stdout) == (0, "3 values are under the first key now\n")
    desk.keys.write_text(desk.keys.read_text().split(",")[0])
    async with desk.book() as book:
        live = book.account(desk.account.id)
        assert broker_accepts(desk, live.token().reveal())


async def test_environment_goes_before_file_before_database(desk, tmp_path: Path) -> None:
    await desk.add()
    await desk.login()
    name, key = desk.account.id, desk.account.api_key
    file = tmp_path / "accounts.toml"
    file.write_text(f'[accounts.{name}]\napi_key = "{key}"\naccess_token = "from-file"\n')
    file.chmod(0o600)
    static = AccountSettings(id=name, api_key=key, access_token=Secret("from-environment"))
    async with desk.book(account=static, file=file) as book:
        assert book.account(name).token().reveal() == "from-environment"
    async with desk.book(file=file, poll_s=0.1) as book:
        live = book.account(name)
        assert live.token().reveal() == "from-file"
        file.write_text(f'[accounts.{name}]\napi_key = "{key}"\n')
        await eventually(lambda: live.token().reveal() != "from-file")
        assert broker_accepts(desk, live.token().reveal())
        assert live.api_secret().reveal() == desk.account.api_secret


async def test_flood_of_control_messages_good_and_bad_is_survived(desk, ticks_redis) -> None:
    from redis import Redis

    await desk.add()
    async with desk.book() as book:
        live, seen = book.account(desk.account.id), 0
        with Redis.from_url(ticks_redis.url_for("ops").reveal()) as client:
            for number in range(2_000):
                body = (b'{"kind":"session_changed"}', b"{", b"\xff", b'{"kind":"no"}')[number % 4]
                client.xadd(CONTROL.name(), {"json": body})
        seen = live.generation
        await desk.login()
        await asyncio.wait_for(live.wait_changed(seen), SWAP_S * 3)


async def test_no_secret_is_an_argument_or_an_answer(desk) -> None:
    added = await desk.add()
    process = await desk.start("session", "login", desk.account.id)
    arguments = await asyncio.to_thread(Path(f"/proc/{process.pid}/cmdline").read_bytes)
    token = desk.request_token()
    out, err = await asyncio.wait_for(process.communicate(f"{token}\n".encode()), 30)
    said = added.output.encode() + arguments + out
    async with desk.book() as book:
        access_token = book.account(desk.account.id).token().reveal()
    for word in (desk.account.api_secret, token, access_token):
        assert word.encode() not in said + err
    assert desk.account.api_key.encode() not in said
