"""Tell genuine, fresh deliveries of a webhook from all others; copy `verify` into your server."""
import hashlib, hmac, time

TOLERANCE_S = 300  # older ones are refused: somebody may have recorded them and plays them again


def verify(secret: str, header: str, body: bytes, now_s: float | None = None) -> bool:
    """Say whether a request with this Tickflow-Signature and these body bytes is to be believed."""
    pairs = [part.split("=", 1) for part in header.split(",") if "=" in part]
    sent_s = next((value for name, value in pairs if name == "t"), "")
    now_s = time.time() if now_s is None else now_s
    if not sent_s.isascii() or not sent_s.isdigit() or abs(now_s - int(sent_s)) > TOLERANCE_S:
        return False
    signed = sent_s.encode() + b"." + body
    expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return any(name == "v1" and hmac.compare_digest(value.encode(), expected.encode())
               for name, value in pairs)


# After it is believed: remember (account, sequence) with what you do, since an event may come
# twice; order by sequence, since one that failed comes after those that did not. Answer 2xx soon.
