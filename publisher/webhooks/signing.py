"""How a receiver knows that an event is ours, and that it is not an old one sent again.

The header `Tickflow-Signature` is `t=<unix seconds>,v1=<hex>` where v1 is HMAC-SHA256, under the
webhook's secret, of `<t>.<body>`; while signing keys are changed it holds a v1 for each.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

from shared.secret import Secret

HEADER = "Tickflow-Signature"
SECRET_PREFIX = "whsec_"  # noqa: S105  # how secrets begin, so that scanners find leaked ones
KEY_CHARACTERS_MIN = 32
_PURPOSE = b"tickflow.webhook.v1:"


def secret_of(signing_key: Secret, webhook_id: str) -> Secret:
    """Return a webhook's secret: derived, so that none is kept anywhere."""
    digest = hmac.digest(
        signing_key.reveal().encode(), _PURPOSE + webhook_id.encode(), hashlib.sha256
    )
    return Secret(SECRET_PREFIX + base64.urlsafe_b64encode(digest).decode().rstrip("="))


def signature(secrets: Sequence[Secret], body: bytes, at_s: int) -> str:
    """Return the header's value for a body sent at this Unix second."""
    signed = b"%d." % at_s + body
    digests = [
        hmac.new(secret.reveal().encode(), signed, hashlib.sha256).hexdigest() for secret in secrets
    ]
    return ",".join([f"t={at_s}", *(f"v1={digest}" for digest in digests)])
