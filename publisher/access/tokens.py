"""Subscribers' JSON Web Tokens: signed by somebody we trust, good until they expire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from publisher.access.auth import Principal, principal_of
from shared.errors import SettingsError

#: A shared secret shorter than this is guessed; RFC 7518, section 3.2.
SECRET_BYTES_MIN = 32
_WITH_SECRET = ("HS256",)
_WITH_PUBLIC_KEY = ("RS256", "PS256", "ES256", "EdDSA")
#: Clocks of two machines differ.
LEEWAY_S = 30


@dataclass(frozen=True, slots=True)
class Claimed:
    """Whoever a token names, until when it is good, Unix seconds."""

    principal: Principal
    expires_s: float


class TokenKeys:
    """Keys that tokens may be signed with: a shared secret, or public ones by their `kid`.

    A token says `sub` (the name), `scope` (words as in a key's line, separated by blanks), `exp`;
    `aud` and `iss` where they are configured. Nothing of a token is believed before its signature.
    """

    def __init__(self, *, secret: str = "", audience: str = "", issuer: str = "") -> None:
        if secret and len(secret.encode()) < SECRET_BYTES_MIN:
            raise SettingsError(
                f"publisher.jwt_secret: {len(secret.encode())} bytes, under {SECRET_BYTES_MIN}"
            )
        self._secret = secret
        self._audience = audience or None
        self._issuer = issuer or None
        self._public: dict[str, Any] = {}

    def __bool__(self) -> bool:
        return bool(self._secret or self._public)

    def publish(self, document: str) -> int:
        """Take the public keys of a JWKS document in place of those before; return how many.

        Raises:
            SettingsError: it is not a JWKS, or has no key that signs.
        """
        try:
            keys = jwt.PyJWKSet.from_json(document)
        except (jwt.PyJWTError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise SettingsError(f"publisher.jwt_jwks: not a JWKS: {error}") from error
        self._public = {
            key.key_id or "": key.key for key in keys.keys if key.algorithm_name in _WITH_PUBLIC_KEY
        }
        if not self._public:
            raise SettingsError("publisher.jwt_jwks: no key with RS256, PS256, ES256 or EdDSA")
        return len(self._public)

    def find(self, token: str, now_s: float) -> Claimed | None:
        """Return whom a token names; None where it is not one of ours, or is good no longer."""
        try:
            header = jwt.get_unverified_header(token)
            key, algorithms = self._key_for(header)
            claims = jwt.decode(
                token,
                key,
                algorithms=list(algorithms),
                audience=self._audience,
                issuer=self._issuer,
                # Time is asked by the caller: checked below.
                options={
                    "require": ["exp", "sub"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_aud": self._audience is not None,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError, KeyError, UnicodeError):
            return None
        return _claimed(claims, now_s)

    def _key_for(self, header: Mapping[str, Any]) -> tuple[Any, tuple[str, ...]]:
        """Choose by what is configured, never by what the token would like."""
        algorithm = header.get("alg")
        if algorithm in _WITH_SECRET and self._secret:
            return self._secret, _WITH_SECRET
        if algorithm in _WITH_PUBLIC_KEY:
            return self._public[str(header.get("kid", ""))], (str(algorithm),)
        raise jwt.InvalidAlgorithmError


def _claimed(claims: Mapping[str, Any], now_s: float) -> Claimed | None:
    name, scope, expires_s = claims.get("sub"), claims.get("scope", ""), claims.get("exp")
    not_before_s = claims.get("nbf", 0)
    if not isinstance(expires_s, int | float) or not isinstance(not_before_s, int | float):
        return None
    if now_s >= expires_s + LEEWAY_S or now_s < not_before_s - LEEWAY_S:
        return None
    if not isinstance(name, str) or not isinstance(scope, str):
        return None
    try:
        principal = principal_of(name, scope.split())
    except ValueError:
        return None
    return Claimed(principal, float(expires_s) + LEEWAY_S)
