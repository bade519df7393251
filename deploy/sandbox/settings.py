"""What the sandbox may be told on its command line."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

from shared.errors import SettingsError
from shared.secret import Secret

Profile = Literal["strict", "lenient"]

PORT_MAX = 65_535
STEP_MS_MIN = 10
STEP_MS_MAX = 60_000
STRIKES_EACH_SIDE_MAX = 400
TIME_SCALE_MAX = 100_000.0
ACCOUNTS_MAX = 64
ACCOUNT_FIELDS = 4
ACCESS_TOKEN_CHARACTERS = 32


@dataclass(frozen=True, slots=True)
class Credentials:
    """One client of the broker together with the application it uses."""

    user_id: str
    api_key: str
    api_secret: Secret
    access_token: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings:
    """Everything the sandbox is started with; defaults make a usable market."""

    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 1
    step_ms: int = 250
    strikes_each_side: int = 25
    profile: Profile = "strict"
    time_scale: float = 1.0
    limits: bool = True
    #: Whether mutual funds may be written, which the broker has switched off.
    funds: bool = False
    accounts: tuple[Credentials, ...] = ()
    #: Played in place of the simulated ticks, if any.
    tapes: tuple[Path, ...] = ()
    #: Seconds of the tape in one of ours; 0 is full speed.
    tape_speed: float = 1.0
    #: Wished for at the start, each as it would be over the control interface.
    faults: tuple[Mapping[str, Any], ...] = ()


class _Parser(argparse.ArgumentParser):
    """A parser that raises one sentence instead of printing its usage."""

    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"sandbox: {message}")


def parse(arguments: Sequence[str]) -> SandboxSettings:
    """Return the settings named by `arguments`.

    Raises:
        SettingsError: a flag is unknown, malformed or out of its bounds.
    """
    found = _parser().parse_args(arguments)
    _bound("--port", found.port, 0, PORT_MAX)
    _bound("--seed", found.seed, 0, 2**63 - 1)
    _bound("--step-ms", found.step_ms, STEP_MS_MIN, STEP_MS_MAX)
    _bound("--strikes", found.strikes, 1, STRIKES_EACH_SIDE_MAX)
    if not 0 < found.time_scale <= TIME_SCALE_MAX:
        raise SettingsError(
            f"--time-scale is {found.time_scale}; it must be above 0, at most {TIME_SCALE_MAX:g}"
        )
    accounts = tuple(_account(text) for text in found.account)
    _refuse_duplicates(accounts)
    return SandboxSettings(
        host=found.host,
        port=found.port,
        seed=found.seed,
        step_ms=found.step_ms,
        strikes_each_side=found.strikes,
        profile=found.profile,
        time_scale=found.time_scale,
        limits=found.limits == "on",
        funds=found.funds == "on",
        accounts=accounts or (default_account(found.seed),),
        tapes=tuple(found.tape),
        tape_speed=_speed(found.speed),
        faults=_script(found.faults),
    )


def default_account(seed: int) -> Credentials:
    """Return the well-known credentials of a sandbox started with `seed` and no account."""

    def digest(part: str, length: int) -> str:
        return hashlib.sha256(f"tickflow-sandbox/{seed}/{part}".encode()).hexdigest()[:length]

    return Credentials(
        user_id="SB0001",
        api_key=digest("api_key", 16),
        api_secret=Secret(digest("api_secret", 32)),
        access_token=Secret(digest("access_token", ACCESS_TOKEN_CHARACTERS)),
    )


def _parser() -> _Parser:
    parser = _Parser(
        prog="python -m deploy.sandbox", description="A stand-in for Zerodha.", allow_abbrev=False
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--seed", type=int, default=1, help="the market this seed makes")
    parser.add_argument("--step-ms", type=int, default=250, help="milliseconds per market step")
    parser.add_argument("--strikes", type=int, default=25, help="strikes each side of the money")
    parser.add_argument("--profile", choices=("strict", "lenient"), default="strict")
    parser.add_argument("--time-scale", type=float, default=1.0, help="market seconds per second")
    parser.add_argument("--limits", choices=("on", "off"), default="on", help="request limits")
    parser.add_argument("--funds", choices=("on", "off"), default="off", help="mutual-fund writes")
    parser.add_argument(
        "--account",
        action="append",
        default=[],
        metavar="ID:API_KEY:API_SECRET:ACCESS_TOKEN",
        help="may be given several times",
    )
    parser.add_argument(
        "--tape", action="append", type=Path, default=[], metavar="FILE", help="play this instead"
    )
    parser.add_argument("--speed", default="1", metavar="N|max", help="pace of the tape")
    parser.add_argument(
        "--faults", type=Path, metavar="FILE", help="a JSON list of faults, each with its after_s"
    )
    return parser


def _script(path: Path | None) -> tuple[Mapping[str, Any], ...]:
    """Return the wishes of a script of faults, not looked into yet."""
    if path is None:
        return ()
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SettingsError(f"--faults {path}: no JSON can be read there") from error
    if not isinstance(found, list) or not all(isinstance(wish, dict) for wish in found):
        raise SettingsError(f"--faults {path}: it must be a list of JSON objects")
    return tuple(found)


def _speed(text: str) -> float:
    """Return the pace of a tape, 0 for `max`."""
    if text == "max":
        return 0.0
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= TIME_SCALE_MAX:
        raise SettingsError(
            f"--speed is {text!r}; it must be above 0, at most {TIME_SCALE_MAX:g}, or max"
        )
    return speed


def _bound(flag: str, number: int, lowest: int, highest: int) -> None:
    if not lowest <= number <= highest:
        raise SettingsError(f"{flag} is {number}; it must be between {lowest} and {highest}")


def _account(text: str) -> Credentials:
    parts = text.split(":")
    if len(parts) != ACCOUNT_FIELDS or not all(part.isalnum() for part in parts):
        # The text holds secrets, so the sentence does not repeat it.
        raise SettingsError(
            "--account must be ID:API_KEY:API_SECRET:ACCESS_TOKEN, each of letters and digits"
        )
    user_id, api_key, api_secret, access_token = parts
    if len(access_token) != ACCESS_TOKEN_CHARACTERS:
        raise SettingsError(
            f"--account {user_id}: ACCESS_TOKEN has {len(access_token)} characters; "
            f"it must have {ACCESS_TOKEN_CHARACTERS}"
        )
    return Credentials(user_id, api_key, Secret(api_secret), Secret(access_token))


def _refuse_duplicates(accounts: tuple[Credentials, ...]) -> None:
    if len(accounts) > ACCOUNTS_MAX:
        raise SettingsError(f"--account is given {len(accounts)} times; at most {ACCOUNTS_MAX}")
    if len({account.user_id for account in accounts}) != len(accounts):
        raise SettingsError("--account names the same ID twice; each ID must be given once")
    if len({account.access_token.reveal() for account in accounts}) != len(accounts):
        raise SettingsError("--account gives one ACCESS_TOKEN to two IDs; each needs its own")
