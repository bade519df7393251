"""Place one order and follow it: python docs/examples/producer.py NFO:SYMBOL QUANTITY PRICE"""
import json, os, sys, time, uuid
import redis

server = redis.Redis.from_url(os.environ["TICKFLOW_REDIS__ORDERS_URL"])
account = os.environ["TICKFLOW_ACCOUNT__ID"]
commands, events = f"orders.commands.v1.{account}", f"orders.events.v1.{account}"
exchange, symbol = sys.argv[1].split(":")
command = {"kind": "place", "command_id": str(uuid.uuid4()), "strategy_id": "example",
           "exchange": exchange, "tradingsymbol": symbol, "transaction_type": "BUY",
           "quantity": int(sys.argv[2]), "product": "MIS", "order_type": "LIMIT", "price": sys.argv[3],
           "valid_until_us": int((time.time() + 10) * 1e6)}  # older than this it is never sent
newest = server.xrevrange(events, count=1)
after, taken = newest[0][0] if newest else "0", False
while True:
    if not taken:  # an XADD is no acceptance, `received` is: until then send the same id again
        server.xadd(commands, {"json": json.dumps(command)})
    for _, entries in server.xread({events: after}, block=2000):
        for after, fields in entries:
            event = json.loads(fields[b"json"])
            if event["command_id"] == command["command_id"]:
                taken = True
                print(event["event"], event["state"], event.get("order_id", ""), event.get("reason") or "")
                if event["state"] in ("OPEN", "COMPLETE"):
                    sys.exit(0)
                if event["state"] in ("REFUSED", "EXPIRED", "REJECTED", "CANCELLED", "CONFLICT", "MANUAL"):
                    sys.exit(1)
