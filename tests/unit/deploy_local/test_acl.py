"""Who may do what, as text of an ACL file."""

from __future__ import annotations

import hashlib

import pytest

from deploy.local.acl import GRANTS, KINDS, ROLES, acl_file

PASSWORDS = {role: f"password of {role}" for role in ROLES}


def _line(text: str, role: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(f"user {role} "))


def test_every_role_has_a_grant_on_both_servers() -> None:
    assert set(GRANTS) == {(role, kind) for role in ROLES for kind in KINDS}


def test_the_file_holds_digests_never_passwords() -> None:
    text = acl_file("orders", PASSWORDS, version=(6, 2))
    assert "password of" not in text
    assert hashlib.sha256(b"password of ops").hexdigest() in _line(text, "ops")


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_comes_in_without_a_name(kind) -> None:
    words = _line(acl_file(kind, PASSWORDS, version=(7, 2)), "default").split()
    assert words[2:4] == ["off", "resetpass"]
    assert "nopass" not in words


def test_only_three_roles_reach_the_stream_of_commands() -> None:
    reach = {
        role
        for role in ROLES
        for grant in [GRANTS[role, "orders"]]
        if grant.operator or any("commands" in key for key in (*grant.reads, *grant.writes))
    }
    assert reach == {"executor", "producer", "ops"}


def test_before_7_reading_and_writing_share_one_set_of_keys() -> None:
    line = _line(acl_file("orders", PASSWORDS, version=(6, 2)), "executor")
    assert "(" not in line
    assert "~orders.commands.v1.*" in line


def test_from_7_what_is_only_read_stands_outside_the_writing_selector() -> None:
    line = _line(acl_file("orders", PASSWORDS, version=(7, 0)), "executor")
    read, written = line.split("(")
    assert "~orders.postbacks.v1.* " in read
    assert "+xadd" not in read
    assert "+xadd" in written
    assert "~orders.postbacks.v1.* " not in written


def test_a_role_that_writes_nothing_gets_no_writing_command() -> None:
    for version in ((6, 2), (7, 2)):
        line = _line(acl_file("orders", PASSWORDS, version=version), "client-read")
        assert "+xadd" not in line
        assert "+eval" not in line
        assert "+xreadgroup" not in line


def test_client_setinfo_is_named_only_where_redis_knows_it() -> None:
    assert "setinfo" not in acl_file("ticks", PASSWORDS, version=(7, 0))
    assert "setinfo" in acl_file("ticks", PASSWORDS, version=(7, 2))
