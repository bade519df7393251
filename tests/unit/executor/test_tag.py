from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from executor.rules.tag import PREFIX, TAG_CHARACTERS_MAX, tag_of


@given(account=st.text(max_size=20), command_id=st.text(max_size=80))
def test_tag_is_twenty_lower_case_alphanumerics_with_our_prefix(account, command_id):
    tag = tag_of(account, command_id)
    assert len(tag) == TAG_CHARACTERS_MAX
    assert tag.startswith(PREFIX)
    assert tag.isascii()
    assert tag.isalnum()
    assert tag == tag.lower()


def test_tag_is_the_same_for_every_attempt_and_release():
    assert tag_of("AB1234", "command-1") == "tfbvxbcjb7zf6gp2idku"


def test_tag_tells_accounts_and_commands_apart_even_when_joined_alike():
    assert (
        len({tag_of("AB1", "2345678x"), tag_of("AB12", "345678x"), tag_of("AB1", "2345678")}) == 3
    )
