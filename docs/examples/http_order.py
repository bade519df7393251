"""Place an order over HTTP: python docs/examples/http_order.py NSE:SYMBOL QUANTITY PRICE"""
import json, os, sys, urllib.error, urllib.request, uuid

url, key = os.environ["TICKFLOW_OPS__PUBLISHER_URL"], os.environ["PUBLISHER_KEY"]
exchange, symbol = sys.argv[1].split(":")
order = {"exchange": exchange, "tradingsymbol": symbol, "transaction_type": "BUY", "product": "MIS",
         "quantity": int(sys.argv[2]), "order_type": "LIMIT", "price": sys.argv[3]}
command_id = str(uuid.uuid4())  # keep it: the same request again is carried out once


def ask(method, path, body=None):
    request = urllib.request.Request(url + path, method=method, data=body and json.dumps(body).encode(),
                                     headers={"Authorization": f"Bearer {key}", "Idempotency-Key": command_id})
    try:
        with urllib.request.urlopen(request, timeout=40) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


status, answer = ask("POST", "/v1/orders?wait=20", order)
if status == 200:  # accepted; 202: not yet, ask GET /v1/commands/{command_id}; 4xx: why not
    print("accepted", answer["data"]["event"]["order_id"])
    for event in ask("GET", f"/v1/orders/{command_id}")[1]["data"]["events"]:
        print(event["event"], event["state"])
else:
    print(status, json.dumps(answer))
sys.exit(0 if status == 200 else 1)
