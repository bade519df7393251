"""Why an entry is no message, said so that its writer can repair it: field, value and rule."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import msgspec
from msgspec import inspect

from shared.wire.codec import JSON_FIELD, MSGPACK_FIELD
from shared.wire.orders import Reason

#: Characters of a value that are shown.
SHOWN_MAX: Final = 80
_AT: Final = re.compile(r" - at `(?:key in )?\$([^`]*)`\Z")
_STEP: Final = re.compile(r"\.(\w+)|\[(\d+)\]")
_MISSING: Final = re.compile(r"\AObject missing required field `([^`]+)`\Z")
_UNKNOWN: Final = re.compile(r"\AObject contains unknown field `([^`]+)`\Z")
_EXPECTED: Final = re.compile(r"\AExpected (.*?)(?:, got `[^`]*`)?\Z", re.DOTALL)
_PATTERN: Final = re.compile(r"\AExpected `str` matching regex '\\\\A(.*)\\\\Z'\Z")
_CHOICE: Final = re.compile(r"\AInvalid (?:enum )?value ")
_ABSENT: Final = object()

Path = tuple[str | int, ...]


def explain(sentence: str, fields: Mapping[bytes, bytes], kind: Any) -> Reason:
    """Return why an entry is no `kind`, a struct or a union of them, given the decoder's words."""
    at = _AT.search(sentence)
    rule = sentence[: at.start()] if at else sentence
    path = _path(at.group(1)) if at else ()
    value = _value(fields)
    if (missing := _MISSING.match(rule)) is not None:
        return _reason((*path, missing.group(1)), "absent", "given")
    if (unknown := _UNKNOWN.match(rule)) is not None:
        path = (*path, unknown.group(1))
        return _reason(path, _shown(_found(value, path)), "absent: there is no such field")
    if not path:
        return Reason(code="malformed", sentence=sentence)
    return _reason(path, _shown(_found(value, path)), _rule(rule, kind, path, value))


def _rule(rule: str, kind: Any, path: Path, value: Any) -> str:
    if _CHOICE.match(rule):
        allowed = _tags(_info(kind), path) or _choices(_at(kind, path, value))
        return f"one of {', '.join(allowed)}"
    if rule == "Invalid decimal string":
        return "a decimal number"
    if (pattern := _PATTERN.match(rule)) is not None:
        return f"text like {pattern.group(1)}".replace("\\\\", "\\")
    expected = _EXPECTED.match(rule)
    return expected.group(1).replace("`", "") if expected else rule


def _reason(path: Path, measured: str, limit: str) -> Reason:
    field = _text(path)
    sentence = f"{field} is {measured}, must be {limit}"
    return Reason(code="malformed", sentence=sentence, field=field, measured=measured, limit=limit)


def _path(text: str) -> Path:
    return tuple(int(index) if index else name for name, index in _STEP.findall(text))


def _text(path: Path) -> str:
    parts = (f"[{each}]" if isinstance(each, int) else f".{each}" for each in path)
    return "".join(parts).lstrip(".")


def _value(fields: Mapping[bytes, bytes]) -> Any:
    try:
        if JSON_FIELD in fields:
            return msgspec.json.decode(fields[JSON_FIELD])
        return msgspec.msgpack.decode(fields[MSGPACK_FIELD])
    except (KeyError, ValueError, RecursionError):
        return _ABSENT


def _found(value: Any, path: Path) -> Any:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return _ABSENT
    return value


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "absent"
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}..."


@cache
def _info(kind: Any) -> inspect.Type:
    return inspect.type_info(kind)


def _at(kind: Any, path: Path, value: Any) -> Sequence[inspect.Type]:
    """Return the types that a place may have; a union of structs is decided by its tag."""
    types = _members(_info(kind), value)
    for step in path:
        value = _found(value, (step,))
        found = [inner for each in types for inner in _inside(each, step)]
        types = [member for each in found for member in _members(each, value)]
    return types


def _inside(kind: inspect.Type, step: str | int) -> Sequence[inspect.Type]:
    match kind, step:
        case inspect.StructType(), str():
            return [each.type for each in kind.fields if each.encode_name == step]
        case inspect.ListType() | inspect.VarTupleType(), int():
            return [kind.item_type]
        case _:
            return []


def _members(kind: inspect.Type, value: Any) -> list[inspect.Type]:
    if isinstance(kind, inspect.Metadata):
        return _members(kind.type, value)
    if not isinstance(kind, inspect.UnionType):
        return [kind]
    members = [inner for each in kind.types for inner in _members(each, value)]
    return [each for each in members if _is_tagged(each, value)] or members


def _is_tagged(kind: inspect.Type, value: Any) -> bool:
    if not isinstance(kind, inspect.StructType) or kind.tag_field is None:
        return False
    return bool(_found(value, (kind.tag_field,)) == kind.tag)


def _choices(types: Sequence[inspect.Type]) -> list[str]:
    literals = [each for each in types if isinstance(each, inspect.LiteralType)]
    enums = [each for each in types if isinstance(each, inspect.EnumType)]
    named = [str(member.value) for each in enums for member in each.cls]
    return named + [str(value) for each in literals for value in each.values]


def _tags(kind: inspect.Type, path: Path) -> list[str]:
    """Return what a union's tag may be, where a path is to its tag."""
    structs = [each for each in _members(kind, None) if isinstance(each, inspect.StructType)]
    return [str(each.tag) for each in structs if path == (each.tag_field,)]
