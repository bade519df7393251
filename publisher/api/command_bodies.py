"""Commands as they come over HTTP, read by the same types as those of the stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from publisher.api.errors import HttpRefusal, invalid, unreadable
from shared.errors import MessageError
from shared.wire import codec
from shared.wire.decimals import DIGITS_MAX, is_sane
from shared.wire.order_fields import CommandId
from shared.wire.orders import Command, Modify, Place

_PRICES: Final = ("price", "trigger_price")
#: Stands for a value that does not decode: it is none that anything equals.
_UNREADABLE: Final = object()
#: What the address says instead of the body.
TARGETS: Final = ("target_command_id", "order_id")


def _without(kind: type[msgspec.Struct], name: str, *left_out: str) -> type[msgspec.Struct]:
    """Return the fields of a command as a body of their own; its id may come as a header."""
    fields: list[Any] = [("command_id", CommandId | None, None)]
    for each in msgspec.structs.fields(kind):
        if each.name in {"command_id", *left_out}:
            continue
        declared = (each.name, each.type)
        if each.default_factory is not msgspec.NODEFAULT:
            made = msgspec.field(default_factory=each.default_factory)
            fields.append((*declared, made))
        else:
            fields.append(declared if each.required else (*declared, each.default))
    return msgspec.defstruct(
        name, fields, frozen=True, kw_only=True, forbid_unknown_fields=True, module=__name__
    )


PlaceBody = _without(Place, "PlaceBody")
ModifyBody = _without(Modify, "ModifyBody", *TARGETS)


def read_command(
    body: bytes, said: Mapping[str, Any], *, idempotency_key: str | None, made_id: str | None = None
) -> Command:
    """Return the command of a body; `said` is what the address says of it already.

    `made_id` serves where neither body nor header names one.

    Raises:
        HttpRefusal: it is none, by the rules of the stream.
    """
    fields = _fields(body)
    for name, value in said.items():
        if name in fields:
            raise invalid(name, f"{name}: the address says it, the body must not")
        fields[name] = msgspec.Raw(msgspec.json.encode(value))
    _identify(fields, idempotency_key, made_id)
    whole = msgspec.json.encode(fields)
    try:
        command: Command = codec.decode({codec.JSON_FIELD: whole}, Command)
    except MessageError as error:
        raise unreadable(error, whole, Command) from error
    for name in _PRICES:
        price = getattr(command, name, None)
        if price is not None and not is_sane(price):
            raise invalid(name, f"{name} must be a number of at most {DIGITS_MAX} digits a side")
    return command


def _fields(body: bytes) -> dict[str, msgspec.Raw]:
    if not body:
        return {}
    try:
        return msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError as error:
        raise HttpRefusal(400, "malformed", "the body must be one JSON object") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HttpRefusal(400, "malformed", f"the body is no JSON: {error}") from error


def _identify(
    fields: dict[str, msgspec.Raw], idempotency_key: str | None, made_id: str | None
) -> None:
    if _text(fields.get("command_id")) is None:
        fields.pop("command_id", None)
    if idempotency_key is not None:
        if not (idempotency_key.isascii() and idempotency_key.isprintable()):
            raise invalid("command_id", "the header Idempotency-Key must be printable ASCII")
        if "command_id" in fields and _text(fields["command_id"]) != idempotency_key:
            raise invalid("command_id", "command_id and the header Idempotency-Key differ")
        fields["command_id"] = msgspec.Raw(msgspec.json.encode(idempotency_key))
    if "command_id" not in fields:
        if made_id is None:
            raise invalid(
                "command_id",
                "command_id, or the header Idempotency-Key, is needed: with it a request that got "
                "no answer can be sent again, and is carried out once",
            )
        fields["command_id"] = msgspec.Raw(msgspec.json.encode(made_id))


def _text(raw: msgspec.Raw | None) -> object:
    try:
        return None if raw is None else msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _UNREADABLE
