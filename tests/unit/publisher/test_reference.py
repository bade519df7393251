"""The documents say what server and client do: their examples are run through both."""

import importlib.util
import json
from pathlib import Path

import msgspec
import pytest

from publisher import reference
from publisher.fanout.dialects import JSON
from publisher.protocol import parsing as protocol
from publisher.protocol.messages import Reply
from publisher.protocol.requests import Request
from publisher.protocol_examples import HEARD, SAID

CLIENT = Path(__file__).resolve().parents[3] / "docs" / "client" / "tickflow_client.py"


@pytest.mark.parametrize(("example", "kind"), list(zip(SAID, Request.__args__, strict=True)))
def test_what_a_client_may_say_is_read_as_what_it_is(example: dict, kind: type) -> None:
    assert type(protocol.parse(json.dumps(example))) is kind


@pytest.mark.parametrize(("example", "kind"), list(zip(HEARD, Reply.__args__, strict=True)))
def test_what_a_client_hears_is_written_as_the_example(example: dict, kind: type) -> None:
    reply = msgspec.json.decode(json.dumps(example), type=kind)
    written = json.loads(JSON.reply(reply))
    if example["op"] == "order":
        assert example["event"].items() <= written["event"].items()
    else:
        assert written == example


def test_the_client_understands_every_example() -> None:
    spec = importlib.util.spec_from_file_location("tickflow_client", CLIENT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    client = module.Client("ws://nowhere", "key", orders=["SB0001"])
    for example in HEARD:
        client._note(example)
    client._note({"op": "snapshot", "snapshot_id": 41, "last": True, "ticks": []})
    request = client._request()
    assert request["resume"]["orders"] == {"SB0001": "1764000000000-0"}
    assert isinstance(protocol.parse(json.dumps(request)), msgspec.Struct)


def test_every_message_has_its_schema() -> None:
    document = reference.asyncapi()
    assert set(document["components"]["messages"]) == {
        kind.__name__ for kind in (*Request.__args__, *Reply.__args__)
    }
    names = set(document["components"]["schemas"])
    text = json.dumps(document)
    assert all(f'"#/components/schemas/{name}"' in text for name in names)
