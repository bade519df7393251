"""Settings as one frozen struct, read once."""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import enum
import pathlib
from typing import Annotated, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta, Struct, field

from shared.errors import SettingsError
from shared.runtime.settings import (
    LogSettings,
    ProbeSettings,
    describe,
    effective,
    env_example,
    load,
    load_with_origins,
)
from shared.secret import Secret


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class RedisSettings(Struct, frozen=True):
    ticks_url: Annotated[str, Meta(description="Where ticks go.")] = "redis://127.0.0.1:6379"
    orders_url: Annotated[str, Meta(pattern="^(redis|unix)")] = "redis://127.0.0.1:6380"
    password: Annotated[Secret, Meta(description="For both.")] = Secret("")


class Nested(Struct, frozen=True):
    depth: Annotated[int, Meta(ge=1, le=10)] = 3


class DeskSettings(Struct, frozen=True):
    rate: Annotated[float, Meta(ge=0, le=1)] = 0.065
    names: tuple[str, ...] = ("NIFTY", "BANKNIFTY")
    numbers: tuple[Annotated[int, Meta(ge=1)], ...] = ()
    colour: Colour = Colour.RED
    mode: Literal["ltp", "quote", "full"] = "full"
    shards: Annotated[int, Meta(ge=1, description="How many.")] | None = None
    enabled: bool = True
    holiday: dt.date | None = None
    price: decimal.Decimal = decimal.Decimal("0.05")
    folder: pathlib.Path = pathlib.Path("tape")
    weights: dict[str, int] = field(default_factory=dict)
    nested: Nested = Nested(depth=5)


class AllSettings(Struct, frozen=True):
    account: str
    redis: RedisSettings = RedisSettings()
    desk: DeskSettings = DeskSettings()
    log: LogSettings = LogSettings()
    probe: ProbeSettings = ProbeSettings(port=9101)


GIVEN = {"TICKFLOW_ACCOUNT": "AB1234"}


def loaded(environ: dict[str, str] | None = None, **kwargs: object) -> AllSettings:
    return load(AllSettings, {**GIVEN, **(environ or {})}, name="desk", **kwargs)  # type: ignore[arg-type]


def refusal(environ: dict[str, str] | None = None, **kwargs: object) -> str:
    with pytest.raises(SettingsError) as caught:
        loaded(environ, **kwargs)
    return str(caught.value)


def toml(folder: pathlib.Path, text: str) -> pathlib.Path:
    file = folder / "tickflow.toml"
    file.write_text(text)
    return file


def test_load_with_nothing_given_keeps_the_defaults() -> None:
    assert loaded() == AllSettings(account="AB1234")


def test_load_keeps_what_a_section_default_says_over_the_section_s_own_fields() -> None:
    found = loaded({"TICKFLOW_PROBE__HOST": "0.0.0.0", "TICKFLOW_DESK__RATE": "0.07"})
    assert found.probe.port == 9101
    assert found.desk.nested.depth == 5


def test_load_takes_file_over_default_environment_over_file_and_flag_over_all(
    tmp_path: pathlib.Path,
) -> None:
    file = toml(tmp_path, "[desk]\nrate=0.1\nmode='ltp'\nenabled=false\nnested={depth=7}\n")
    found = loaded(
        {"TICKFLOW_DESK__RATE": "0.2", "TICKFLOW_DESK__MODE": "quote"},
        file=file,
        overrides={"desk.rate": "0.3"},
    )
    desk = found.desk
    assert (desk.rate, desk.mode, desk.enabled, desk.nested.depth) == (0.3, "quote", False, 7)


def test_load_reads_the_file_that_the_environment_names(tmp_path: pathlib.Path) -> None:
    file = toml(tmp_path, "[desk]\nrate = 0.5\n")
    assert loaded({"TICKFLOW_CONFIG": str(file)}).desk.rate == 0.5


def test_load_prefers_the_file_it_is_given_to_the_one_the_environment_names(
    tmp_path: pathlib.Path,
) -> None:
    file = toml(tmp_path, "[desk]\nrate = 0.5\n")
    assert loaded({"TICKFLOW_CONFIG": "/nowhere.toml"}, file=file).desk.rate == 0.5


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("rate", "1e-2", 0.01),
        ("names", "NIFTY, SENSEX ,", ("NIFTY", "SENSEX")),
        ("names", "", ()),
        ("numbers", "3,1,2", (3, 1, 2)),
        ("colour", "blue", Colour.BLUE),
        ("mode", "ltp", "ltp"),
        ("shards", "4", 4),
        ("shards", "", None),
        ("enabled", "FALSE", False),
        ("enabled", "off", False),
        ("enabled", "Yes", True),
        ("enabled", "0", False),
        ("holiday", "2026-08-15", dt.date(2026, 8, 15)),
        ("price", "0.10", decimal.Decimal("0.10")),
        ("folder", "/var/tape", pathlib.Path("/var/tape")),
        ("weights", '{"NIFTY": 2}', {"NIFTY": 2}),
    ],
)
def test_load_converts_the_text_of_a_variable_to_its_field_s_type(
    name: str, text: str, value: object
) -> None:
    found = loaded({f"TICKFLOW_DESK__{name.upper()}": text})
    assert getattr(found.desk, name) == value
    assert type(getattr(found.desk, name)) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("RATE", "1.5", "a number, at least 0, at most 1"),
        ("RATE", "nan", "a number, at least 0, at most 1"),
        ("RATE", "", "a number, at least 0, at most 1"),
        ("NUMBERS", "1,x", "a comma-separated list, each a whole number, at least 1"),
        ("COLOUR", "green", "one of red, blue"),
        ("MODE", "deep", "one of full, ltp, quote"),
        ("SHARDS", "0", "a whole number, at least 1, or empty"),
        ("ENABLED", "maybe", "true or false"),
        ("NESTED__DEPTH", "11", "a whole number, at least 1, at most 10"),
        ("WEIGHTS", "{", "a dict"),
    ],
)
def test_load_of_a_wrong_value_names_the_variable_the_rule_and_the_value(
    name: str, text: str, rule: str
) -> None:
    expected = f"desk: TICKFLOW_DESK__{name} must be {rule}; it is {text!r}"
    assert refusal({f"TICKFLOW_DESK__{name}": text}) == expected


def test_load_collects_every_problem_one_to_a_line(tmp_path: pathlib.Path) -> None:
    file = toml(tmp_path, "[desk]\nshards = 'two'\ncolor = 'red'\n")
    message = refusal(
        {"TICKFLOW_DESK__RATE": "9", "TICKFLOW_DESK__MODDE": "x"},
        file=file,
        overrides={"desk.enabled": "perhaps", "nothing": "1"},
    )
    lines = message.splitlines()
    assert len(lines) == 6
    assert all(line.startswith("desk: ") for line in lines)


def test_load_of_a_value_overridden_by_a_later_source_does_not_mind_it() -> None:
    found = loaded({"TICKFLOW_DESK__RATE": "9"}, overrides={"desk.rate": "0.5"})
    assert found.desk.rate == 0.5


def test_load_without_a_required_setting_names_its_variable() -> None:
    with pytest.raises(SettingsError, match="TICKFLOW_ACCOUNT is not set; it must be text"):
        load(AllSettings, {}, name="desk")


def test_load_of_a_required_setting_that_is_empty_says_so() -> None:
    assert refusal({"TICKFLOW_ACCOUNT": ""}) == "desk: TICKFLOW_ACCOUNT is empty; it must be text"


def test_load_of_an_unknown_variable_names_the_nearest() -> None:
    message = refusal({"TICKFLOW_DESK__NAME": "x"})
    assert message == (
        "desk: TICKFLOW_DESK__NAME is not a setting; the nearest is TICKFLOW_DESK__NAMES"
    )


def test_load_of_an_unknown_variable_like_nothing_says_just_that() -> None:
    assert refusal({"TICKFLOW_ZZZZ__QQQQ": "x"}) == "desk: TICKFLOW_ZZZZ__QQQQ is not a setting"


@pytest.mark.parametrize(
    "name", ["TICKFLOW_", "TICKFLOW___", "TICKFLOW_DESK", "TICKFLOW_desk__rate"]
)
def test_load_of_a_malformed_name_under_our_prefix_refuses_it(name: str) -> None:
    assert f"{name} is not a setting" in refusal({name: "x"})


def test_load_of_an_unknown_key_in_a_file_names_file_and_nearest(tmp_path: pathlib.Path) -> None:
    file = toml(tmp_path, "[desk]\nratee = 0.1\n")
    expected = f"desk: desk.ratee in {file} is not a setting; the nearest is desk.rate"
    assert refusal(file=file) == expected


def test_load_skips_the_sections_of_other_programs(tmp_path: pathlib.Path) -> None:
    file = toml(tmp_path, "[ingest]\nx = 1\n[kite]\ny = 'z'\n")
    environ = {"TICKFLOW_EXECUTOR__X": "1", "TICKFLOW_POSTGRES__URL": "x", "PATH": "/bin"}
    assert loaded(environ, file=file) == AllSettings(account="AB1234")


def test_load_does_not_skip_a_flag_for_another_program() -> None:
    assert "--set ingest.x is not a setting" in refusal(overrides={"ingest.x": "1"})


def test_load_of_a_section_that_is_no_table_is_refused(tmp_path: pathlib.Path) -> None:
    file = toml(tmp_path, "desk = 3\n")
    assert refusal(file=file) == f"desk: desk in {file} must be a table of settings"


def test_load_of_a_missing_file_says_so() -> None:
    message = refusal(file=pathlib.Path("/nowhere/x.toml"))
    assert message == (
        "desk: settings file /nowhere/x.toml cannot be read: No such file or directory"
    )


def test_load_of_a_broken_file_says_so(tmp_path: pathlib.Path) -> None:
    assert "is not TOML" in refusal(file=toml(tmp_path, "desk = ["))


def test_load_of_text_where_a_file_should_hold_a_number_is_refused(tmp_path: pathlib.Path) -> None:
    file = toml(tmp_path, "[desk]\nrate = '0.1'\n")
    assert refusal(file=file).startswith(f"desk: desk.rate in {file} must be a number")


def test_load_understands_the_plain_names_below_its_own() -> None:
    found = loaded({"REDIS_URL": "redis://r", "TICKFLOW_REDIS__ORDERS_URL": "redis://o"})
    assert found.redis.ticks_url == "redis://r"
    assert found.redis.orders_url == "redis://o"


def test_load_ignores_a_plain_name_that_is_empty_or_has_no_section_here() -> None:
    found = loaded({"REDIS_URL": "", "POSTGRES_URL": "postgres://p"})
    assert found == AllSettings(account="AB1234")


def test_load_of_a_bad_plain_name_names_it() -> None:
    assert "REDIS_URL must be text, matching ^(redis|unix)" in refusal({"REDIS_URL": "http://x"})


def test_load_reads_a_secret_from_the_file_a_variable_names(tmp_path: pathlib.Path) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    found = loaded({"TICKFLOW_REDIS__PASSWORD_FILE": str(tmp_path / "password")})
    assert found.redis.password.matches("hunter2")


def test_load_of_a_secret_file_that_is_missing_says_so() -> None:
    message = refusal({"TICKFLOW_REDIS__PASSWORD_FILE": "/nowhere"})
    assert "TICKFLOW_REDIS__PASSWORD_FILE names '/nowhere', which cannot be read" in message


def test_load_of_a_secret_file_that_is_too_large_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "password").write_text("x" * 70_000)
    message = refusal({"TICKFLOW_REDIS__PASSWORD_FILE": str(tmp_path / "password")})
    assert message.endswith("which is too large for a secret")


def test_load_of_a_secret_given_both_ways_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "password").write_text("a")
    message = refusal(
        {
            "TICKFLOW_REDIS__PASSWORD": "b",
            "TICKFLOW_REDIS__PASSWORD_FILE": str(tmp_path / "password"),
        }
    )
    assert "are both set; keep one" in message


def test_load_of_a_file_for_what_is_no_secret_is_refused() -> None:
    message = refusal({"TICKFLOW_DESK__RATE_FILE": "/etc/rate"})
    assert message == (
        "desk: TICKFLOW_DESK__RATE_FILE is refused: only a secret is read from a file"
    )


def test_load_never_shows_a_secret_it_refuses(tmp_path: pathlib.Path) -> None:
    message = refusal(file=toml(tmp_path, "[redis]\npassword = 918273645\n"))
    assert "918273645" not in message
    assert message.endswith("must be a secret text; it is ***")


def test_load_never_shows_a_password_inside_a_url_it_refuses() -> None:
    message = refusal({"TICKFLOW_REDIS__ORDERS_URL": "http://me:hunter2@host"})
    assert "hunter2" not in message


def test_load_of_a_combination_the_struct_refuses_is_a_settings_error() -> None:
    class Window(Struct, frozen=True):
        low: int = 1
        high: int = 2

        def __post_init__(self) -> None:
            if self.low > self.high:
                msg = "low must not be above high"
                raise ValueError(msg)

    with pytest.raises(SettingsError, match="desk: low must not be above high"):
        load(Window, {"TICKFLOW_LOW": "3"}, name="desk")


def test_load_with_origins_says_where_each_value_came_from(tmp_path: pathlib.Path) -> None:
    file = toml(tmp_path, "[desk]\nrate = 0.1\n")
    environ = {**GIVEN, "REDIS_URL": "redis://r"}
    found = load_with_origins(
        AllSettings, environ, name="desk", file=file, overrides={"log.level": "debug"}
    )
    assert found.origins["account"] == "TICKFLOW_ACCOUNT"
    assert found.origins["desk.rate"] == f"desk.rate in {file}"
    assert found.origins["redis.ticks_url"] == "REDIS_URL"
    assert found.origins["log.level"] == "--set log.level"
    assert found.origins["desk.mode"] == "default"
    assert found.settings.log.level == "debug"


def test_describe_tells_name_type_default_limits_and_prose() -> None:
    rows = {row.name: row for row in describe(AllSettings)}
    assert rows["account"].required
    assert rows["redis.ticks_url"].doc == "Where ticks go."
    assert rows["desk.shards"].doc == "How many."
    assert rows["desk.rate"].limits == "at least 0, at most 1"
    assert rows["desk.nested.depth"].env_name == "TICKFLOW_DESK__NESTED__DEPTH"
    assert rows["desk.names"].type == "tuple[str, ...]"
    assert rows["desk.shards"].type == "int | None"
    assert rows["desk.mode"].type == "choice"
    assert rows["probe.port"].default == "9101"


def test_describe_gives_defaults_that_load_as_themselves() -> None:
    environ = {row.env_name: row.default for row in describe(AllSettings) if not row.required}
    assert loaded(environ) == AllSettings(account="AB1234")


def test_effective_shows_values_as_typed_without_secrets() -> None:
    found = loaded(
        {
            "TICKFLOW_REDIS__PASSWORD": "hunter2",
            "TICKFLOW_REDIS__TICKS_URL": "redis://me:hunter2@h",
            "TICKFLOW_DESK__NAMES": "A,B",
        }
    )
    values = effective(found)
    assert values["redis.password"] == "***"
    assert values["redis.ticks_url"] == "redis://me:***@h"
    assert (values["desk.names"], values["desk.enabled"]) == ("A,B", "true")
    assert "hunter2" not in repr(values) + repr(found.redis.password)


def test_env_example_comments_out_every_setting() -> None:
    text = env_example(describe(AllSettings))
    assert "# Where ticks go.\n" in text
    assert "#TICKFLOW_REDIS__TICKS_URL=redis://127.0.0.1:6379\n" in text
    assert all(line.startswith("#") for line in text.splitlines() if line)


words = st.text("abz,019 [", min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)
@given(
    rate=st.floats(0, 1),
    names=st.lists(words, max_size=4).map(tuple),
    numbers=st.lists(st.integers(1, 2**53), max_size=4).map(tuple),
    colour=st.sampled_from(Colour),
    shards=st.none() | st.integers(1, 1000),
    enabled=st.booleans(),
    holiday=st.none() | st.dates(),
    weights=st.dictionaries(words, st.integers(0, 9), max_size=3),
)
def test_effective_values_load_as_the_settings_they_came_from(**fields: object) -> None:
    chosen = AllSettings(account="x", desk=DeskSettings(**fields))  # type: ignore[arg-type]
    assert load(AllSettings, {}, name="desk", overrides=effective(chosen)) == chosen


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(words.map(str.upper), st.text(max_size=5), max_size=5))
def test_load_of_any_names_under_our_prefix_loads_or_refuses(names: dict[str, str]) -> None:
    environ = {f"TICKFLOW_{name}": text for name, text in names.items()}
    with contextlib.suppress(SettingsError):
        load(DeskSettings, environ, name="desk")


@settings(deadline=None)
@given(st.integers())
def test_load_never_lets_a_value_past_its_bounds(port: int) -> None:
    try:
        found = loaded({"TICKFLOW_PROBE__PORT": str(port)})
    except SettingsError:
        assert not 0 <= port <= 65535
    else:
        assert found.probe.port == port
        assert 0 <= port <= 65535
