"""Settings come from the environment, keys hidden."""

import pytest

from publisher.access.auth import digest, read_keyring
from publisher.settings import PublisherSettings
from shared.errors import SettingsError
from shared.runtime.settings import effective, load

KEY, OTHER = "k" * 43, "o" * 43
ENVIRONMENT = {
    "TICKFLOW_REDIS__TICKS_URL": "redis://localhost/0",
    "TICKFLOW_REDIS__ORDERS_URL": "redis://localhost/1",
    "TICKFLOW_PUBLISHER__PORT": "9000",
    "TICKFLOW_PUBLISHER__ACCOUNTS": "SB0001,SB0002",
    "TICKFLOW_PUBLISHER__KEYS": f"a:ticks:{digest(KEY)},b:ticks+orders:*:{digest(OTHER)}",
}


def test_keys_and_accounts_are_lists_separated_by_commas() -> None:
    section = load(PublisherSettings, ENVIRONMENT, name="publisher").publisher
    keyring = read_keyring(key.reveal() for key in section.keys)
    assert keyring.find(OTHER).may_read_orders("SB0002")
    assert keyring.find(KEY).name == "a"
    assert (section.port, section.accounts) == (9000, ("SB0001", "SB0002"))


def test_it_listens_on_this_machine_alone_unless_told() -> None:
    assert load(PublisherSettings, ENVIRONMENT, name="publisher").publisher.host == "127.0.0.1"


def test_hashes_are_not_shown() -> None:
    shown = effective(load(PublisherSettings, ENVIRONMENT, name="publisher"))
    assert digest(KEY) not in "".join(shown.values())


def test_an_account_is_not_any_text() -> None:
    environment = {**ENVIRONMENT, "TICKFLOW_PUBLISHER__ACCOUNTS": "sb-1"}
    with pytest.raises(SettingsError, match="TICKFLOW_PUBLISHER__ACCOUNTS"):
        load(PublisherSettings, environment, name="publisher")
