"""Read enriched ticks with nothing but Redis: python docs/examples/consumer.py [COUNT]"""
import json, os, sys
import numpy as np, redis

def dtype_of(layout):
    fields = layout["fields"]
    formats = [f["type"] if f["count"] == 1 else (f["type"], f["count"]) for f in fields]
    return np.dtype({"names": [f["name"] for f in fields], "formats": formats,
                     "offsets": [f["offset"] for f in fields], "itemsize": layout["size_bytes"]})

server = redis.Redis.from_url(os.environ["TICKFLOW_REDIS__TICKS_URL"])
layouts = json.loads(server.get("layouts.v1"))
tick, instrument = dtype_of(layouts["tick"]), dtype_of(layouts["instrument"])
listed = np.frombuffer(server.hget("instruments.v1", "records"), instrument)
symbol = dict(zip(listed["instrument_token"].tolist(), listed["tradingsymbol"].tolist()))
shards = json.loads(server.get("shards.v1"))["shards"]
last = {f"ticks.enriched.v1.{shard}": "$" for shard in range(shards)}
left = int(sys.argv[1]) if len(sys.argv) > 1 else 20
while left > 0:
    for stream, entries in server.xread(last, count=10, block=1000):
        for entry_id, fields in entries:
            last[stream.decode()] = entry_id
            ticks = np.frombuffer(fields[b"r"], tick)
            for t in ticks[ticks["status"] == 0][: max(left, 0)]:  # 0: solved, see docs/greeks.md
                left -= 1
                print(f"{symbol[int(t['instrument_token'])].decode():<24}{t['last_price']:>10.2f}"
                      f"  iv {t['implied_vol']:7.2%}  delta {t['delta']:+.3f}")
