"""What the vault opens, what it refuses, what it never says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import SettingsError
from shared.secret import Secret
from shared.store.accounts_vault import KEYS_MAX, Unopened, Vault, new_key

PLACE = ("AB1234", "api_secret")
NOW_NS = 1_795_500_000_000_000_000
OLD, NEW = new_key(), new_key()


@given(st.lists(st.text(), max_size=3).map(tuple))
def test_what_was_sealed_opens_at_its_place(texts: tuple[str, ...]) -> None:
    vault = Vault([OLD])
    assert vault.open(PLACE, vault.seal(PLACE, texts, now_ns=NOW_NS)) == texts


def test_sealed_value_shows_nothing_of_the_text() -> None:
    sealed = Vault([OLD]).seal(PLACE, ("hunter2",), now_ns=NOW_NS)
    assert b"hunter2" not in sealed
    assert sealed != Vault([OLD]).seal(PLACE, ("hunter2",), now_ns=NOW_NS)


@pytest.mark.parametrize("place", [("AB1235", "api_secret"), ("AB1234", "api_key"), ("AB1234",)])
def test_value_moved_to_another_row_or_column_does_not_open(place: tuple[str, ...]) -> None:
    vault = Vault([OLD])
    sealed = vault.seal(PLACE, ("hunter2",), now_ns=NOW_NS)
    with pytest.raises(Unopened, match="another account or column") as caught:
        vault.open(place, sealed)
    assert "hunter2" not in repr(caught.value)


@given(position=st.integers(0, 100), flip=st.integers(1, 255))
def test_damaged_value_does_not_open(position: int, flip: int) -> None:
    vault = Vault([OLD])
    sealed = bytearray(vault.seal(PLACE, ("hunter2",), now_ns=NOW_NS))
    sealed[position % len(sealed)] ^= flip
    try:
        assert vault.open(PLACE, bytes(sealed)) == ("hunter2",), "base64 ignored what was flipped"
    except Unopened:
        return


@pytest.mark.parametrize("sealed", [b"", b"plain", b"\x00" * 200, b"gAAAAA=="])
def test_value_that_was_never_sealed_does_not_open(sealed: bytes) -> None:
    with pytest.raises(Unopened, match="no key"):
        Vault([OLD]).open(PLACE, sealed)


def test_new_key_in_front_opens_what_the_old_one_sealed_then_seals_by_itself() -> None:
    sealed = Vault([OLD]).seal(PLACE, ("hunter2",), now_ns=NOW_NS)
    both = Vault([NEW, OLD])
    assert both.open(PLACE, sealed) == ("hunter2",)
    again = both.reseal(PLACE, sealed, now_ns=NOW_NS)
    assert Vault([NEW]).open(PLACE, again) == ("hunter2",)
    with pytest.raises(Unopened):
        Vault([OLD]).open(PLACE, again)


def test_vault_without_keys_says_how_to_get_one() -> None:
    vault = Vault([])
    assert not vault.has_keys
    with pytest.raises(SettingsError, match=r"encryption_keys is not set.*new-key"):
        vault.seal(PLACE, ("x",), now_ns=NOW_NS)


@pytest.mark.parametrize(
    "text",
    ["", "short", "ä" * 44, OLD.reveal()[:-4], OLD.reveal() * 2],
    ids=["empty", "short", "umlauts", "cut", "twice"],
)
def test_malformed_key_is_refused_by_its_place_alone(text: str) -> None:
    with pytest.raises(SettingsError, match="key 2 is not one") as caught:
        Vault([NEW, Secret(text)])
    assert len(text) < 5 or text not in str(caught.value)
    assert caught.value.__context__ is None


def test_too_many_keys_are_refused() -> None:
    with pytest.raises(SettingsError, match=f"at most {KEYS_MAX}"):
        Vault([OLD] * (KEYS_MAX + 1))
