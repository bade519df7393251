"""A token opens the door when we trust who signed it, while it is good, for what it says."""

import json
from dataclasses import replace

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from publisher.access.auth import Keyring, Quotas, digest, read_keyring
from publisher.access.tokens import LEEWAY_S, TokenKeys
from publisher.fanout.dialects import DIALECTS
from publisher.fanout.hub import Hub, HubLimits
from publisher.protocol import farewells
from publisher.session.desk import Desk, DeskLimits
from publisher.session.session import Session
from shared.errors import SettingsError

SECRET = "s" * 64
NOW_S = 1_800_000_000.0
CLAIMS = {"sub": "desk-7", "scope": "ticks orders:SB0001 instruments=5", "exp": NOW_S + 60}


def token(secret: str = SECRET, algorithm: str = "HS256", **claims) -> str:
    return jwt.encode({**CLAIMS, **claims}, secret, algorithm=algorithm)


def test_a_good_token_names_who_may_do_what_until_when() -> None:
    claimed = TokenKeys(secret=SECRET).find(token(), NOW_S)
    assert claimed.principal.name == "desk-7"
    assert claimed.principal.scopes == {"ticks", "orders:SB0001"}
    assert claimed.principal.quotas == Quotas(instruments=5)
    assert claimed.expires_s == NOW_S + 60 + LEEWAY_S


@pytest.mark.parametrize(
    "bad",
    [
        token(secret="x" * 64),
        token(exp=NOW_S - LEEWAY_S - 1),
        token(exp="soon"),
        token(nbf=NOW_S + LEEWAY_S + 60),
        token(scope=""),
        token(scope="everything"),
        token(sub="../x"),
        token(sub=7),
        jwt.encode({"sub": "a", "scope": "ticks"}, SECRET, algorithm="HS256"),
        jwt.encode(CLAIMS, "", algorithm="none"),
        token(algorithm="HS512"),
        "",
        "a.b.c",
        "..",
    ],
)
def test_anything_else_opens_nothing(bad: str) -> None:
    assert TokenKeys(secret=SECRET).find(bad, NOW_S) is None


def test_audience_and_issuer_are_asked_for_where_they_are_configured() -> None:
    keys = TokenKeys(secret=SECRET, audience="tickflow", issuer="us")
    assert keys.find(token(), NOW_S) is None
    assert keys.find(token(aud="tickflow", iss="them"), NOW_S) is None
    assert keys.find(token(aud="tickflow", iss="us"), NOW_S) is not None


def test_public_keys_are_found_by_their_id_and_are_no_shared_secret() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(private.public_key()))
    document = json.dumps({"keys": [{**public, "kid": "one", "alg": "ES256", "use": "sig"}]})
    keys = TokenKeys()
    assert keys.publish(document) == 1
    signed = jwt.encode(CLAIMS, private, algorithm="ES256", headers={"kid": "one"})
    assert keys.find(signed, NOW_S) is not None
    assert (
        keys.find(jwt.encode(CLAIMS, private, algorithm="ES256", headers={"kid": "two"}), NOW_S)
        is None
    )
    assert keys.find(token(), NOW_S) is None


@pytest.mark.parametrize("document", ["", "[]", "{}", '{"keys":[]}', '{"keys":[{"kty":"x"}]}', "7"])
def test_what_is_no_jwks_is_refused_at_the_start(document: str) -> None:
    with pytest.raises(SettingsError):
        TokenKeys().publish(document)


def test_a_short_secret_is_refused_at_the_start() -> None:
    with pytest.raises(SettingsError, match="under 32"):
        TokenKeys(secret="short")


@given(st.text(max_size=200))
def test_any_text_is_no_token_and_no_error(text: str) -> None:
    assert TokenKeys(secret=SECRET).find(text, NOW_S) is None


LIMITS = DeskLimits(
    connections_per_key_max=3,
    instruments_per_connection_max=10,
    requests_per_minute_max=5,
    message_bytes_max=1 << 16,
    heartbeat_s=15.0,
)


def desk_of(keyring: Keyring) -> Desk:
    desk = Desk(
        Hub(HubLimits(9, 100, 1 << 20, 1 << 16), DIALECTS),
        keyring,
        accounts=[],
        limits=replace(LIMITS),
        epoch="e",
    )
    desk.tokens = TokenKeys(secret=SECRET)
    return desk


def test_a_token_enters_with_its_own_end() -> None:
    session = desk_of(Keyring({})).enter(token(), now_s=NOW_S)
    assert isinstance(session, Session)
    assert session.expires_s == NOW_S + 60 + LEEWAY_S
    assert desk_of(Keyring({})).enter(token(), now_s=NOW_S + 3600) is farewells.UNAUTHENTICATED


def test_a_new_connection_may_take_the_place_of_the_oldest() -> None:
    key = "k" * 40
    desk = desk_of(read_keyring([f"a:ticks+connections=2:{digest(key)}"]))
    first, second = desk.enter(key), desk.enter(key)
    assert desk.enter(key) is farewells.KEY_CONNECTIONS
    third = desk.enter(key, takes_over=True)
    assert third.displaces == first.subscriber
    fourth = desk.enter(key, takes_over=True)
    assert fourth.displaces == second.subscriber
    assert desk.enter(key) is farewells.KEY_CONNECTIONS
