"""Drives the official KiteTicker in a process of its own, since its reactor starts only once."""

import json
import sys
import warnings

warnings.simplefilter("ignore")

from kiteconnect import KiteTicker  # noqa: E402


def main(root: str, api_key: str, access_token: str, tokens: list[int]) -> None:
    """Write one JSON line per callback until stopped."""

    def say(kind: str, **facts: object) -> None:
        sys.stdout.write(json.dumps({"kind": kind, **facts}, default=str) + "\n")
        sys.stdout.flush()

    def on_connect(ws: KiteTicker, _response: object) -> None:
        say("connect")
        ws.subscribe(tokens)
        ws.set_mode(ws.MODE_FULL, tokens[:-1])

    def on_message(_ws: KiteTicker, payload: bytes, is_binary: bool) -> None:
        if is_binary and len(payload) == 1:
            say("heartbeat")

    ticker = KiteTicker(api_key, access_token, root=root, reconnect_max_tries=2)
    ticker.on_connect = on_connect
    ticker.on_message = on_message
    ticker.on_ticks = lambda _ws, ticks: say("ticks", ticks=ticks)
    ticker.on_order_update = lambda _ws, order: say("order", order=order)
    ticker.on_error = lambda _ws, code, reason: say("error", code=code, reason=str(reason))
    ticker.on_close = lambda _ws, code, reason: say("close", code=code, reason=str(reason))
    ticker.on_noreconnect = lambda _ws: say("noreconnect")
    ticker.connect()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4]))
