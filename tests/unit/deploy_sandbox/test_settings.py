"""The command line is read, or refused in one sentence."""

import pytest

from deploy.sandbox.settings import default_account, parse
from shared.errors import SettingsError

TOKEN = "a" * 32


def test_settings_without_flags_have_one_account_that_the_seed_fixes() -> None:
    first, second = parse([]), parse([])
    assert first.accounts == second.accounts == (default_account(1),)
    assert parse(["--seed", "2"]).accounts != first.accounts
    assert first.host == "127.0.0.1"


def test_settings_take_several_accounts() -> None:
    found = parse(["--account", f"A1:k1:s1:{TOKEN}", "--account", f"A2:k2:s2:{'b' * 32}"])
    assert [account.user_id for account in found.accounts] == ["A1", "A2"]


def test_settings_do_not_print_their_secrets() -> None:
    assert TOKEN not in repr(parse(["--account", f"A1:k1:s1:{TOKEN}"]))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "70000"],
        ["--port", "x"],
        ["--step-ms", "0"],
        ["--strikes", "0"],
        ["--time-scale", "0"],
        ["--time-scale", "nan"],
        ["--profile", "wild"],
        ["--colour"],
        ["--account", "A1"],
        ["--account", "A1:k:s:short"],
        ["--account", f"A1:k:s:{TOKEN}", "--account", f"A1:k:s:{'b' * 32}"],
        ["--account", f"A1:k:s:{TOKEN}", "--account", f"A2:k:s:{TOKEN}"],
    ],
)
def test_settings_out_of_bounds_are_refused_in_one_sentence(arguments: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(arguments)
    assert "\n" not in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_settings_take_a_script_of_faults(tmp_path) -> None:
    script = tmp_path / "faults.json"
    script.write_text('[{"kind": "ws_abort", "after_s": 3}]')
    assert parse(["--faults", str(script)]).faults == ({"kind": "ws_abort", "after_s": 3},)
    for text in ("{}", "[1]", "["):
        script.write_text(text)
        with pytest.raises(SettingsError):
            parse(["--faults", str(script)])
