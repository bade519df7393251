"""What a setting's type allows, as prose and as a parser of text."""

from __future__ import annotations

import math
import pathlib
from collections.abc import Iterable
from typing import Annotated, Any, Final, get_args, get_origin

import msgspec
from msgspec import Meta, Struct, inspect

from shared.runtime.redact import HIDDEN, redact_text
from shared.secret import Secret

_BOOLEANS: Final = {"yes": True, "on": True, "no": False, "off": False}
_SEQUENCES: Final = (
    inspect.VarTupleType,
    inspect.TupleType,
    inspect.ListType,
    inspect.SetType,
    inspect.FrozenSetType,
)
_WORDS: Final = {
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.StrType: "text",
    inspect.BoolType: "true or false",
    inspect.DecimalType: "a decimal number",
    inspect.DateType: "a date like 2026-04-01",
    inspect.TimeType: "a time like 09:15:00",
    inspect.DateTimeType: "a date with a time like 2026-04-01T09:15:00+05:30",
    inspect.NoneType: "empty",
}
_LIMITS: Final = (
    ("ge", "at least {}"),
    ("gt", "above {}"),
    ("le", "at most {}"),
    ("lt", "below {}"),
    ("multiple_of", "a multiple of {}"),
    ("min_length", "no shorter than {}"),
    ("max_length", "no longer than {}"),
    ("pattern", "matching {}"),
)


def section_type(declared: Any) -> type[Struct] | None:
    """Return the struct behind a field that is a section, else None."""
    plain = get_args(declared)[0] if get_origin(declared) is Annotated else declared
    return plain if isinstance(plain, type) and issubclass(plain, Struct) else None


def description_of(declared: Any) -> str:
    """Return the first `Meta(description=...)` found in a type, or an empty text."""
    for argument in get_args(declared):
        if isinstance(argument, Meta) and argument.description:
            return argument.description
    return next(filter(None, map(description_of, get_args(declared))), "")


def is_secret(declared: Any) -> bool:
    """Tell whether a value of this type holds a Secret anywhere."""
    section = section_type(declared)
    if section is not None:
        return any(is_secret(field.type) for field in msgspec.structs.fields(section))
    return declared is Secret or any(map(is_secret, get_args(declared)))


def type_name(declared: Any) -> str:
    """Return a short name such as `int`, `Secret` or `tuple[str, ...] | None`."""
    if get_origin(declared) is Annotated:
        return type_name(get_args(declared)[0])
    if declared in (None, type(None)):
        return "None"
    if declared is Ellipsis:
        return "..."
    node = inspect.type_info(declared)
    if isinstance(node, inspect.LiteralType | inspect.EnumType):
        return "choice"
    if isinstance(node, inspect.UnionType):
        return " | ".join(map(type_name, get_args(declared)))
    name = getattr(declared, "__name__", str(declared))
    items = ", ".join(map(type_name, get_args(declared)))
    return f"{name}[{items}]" if items else name


def limits_of(declared: Any) -> str:
    """Return a type's bounds, `at least 1, at most 10`, or its choices, or an empty text."""
    return _limits(_bare(inspect.type_info(declared)))


def rule_of(declared: Any) -> str:
    """Return what a value must be, to follow "must be" in a sentence."""
    return _rule(_bare(inspect.type_info(declared)))


def parse_text(text: str, declared: Any) -> Any:
    """Convert what somebody typed into a value of the declared type.

    Lists are separated by commas; anything nested is JSON; an empty text is None where None
    is allowed.

    Raises:
        ValueError: the text is no such value.
    """
    return _converted(_untangled(text, inspect.type_info(declared)), declared, strict=False)


def convert_parsed(value: object, declared: Any) -> Any:
    """Convert a value that a file's own syntax has already given a type.

    Raises:
        ValueError: the value is not of the declared type, or out of its bounds.
    """
    return _converted(value, declared, strict=True)


def shown(value: object) -> str:
    """Return a value as somebody would type it, without anything secret in it."""
    plain = msgspec.to_builtins(value, enc_hook=_plain)
    if plain is None:
        return ""
    if isinstance(plain, list | tuple):
        items = [_scalar(item) for item in plain]
        if all(isinstance(i, str | int | float) for i in plain) and _survives(items):
            return ",".join(items)
    return _scalar(plain)


def _survives(items: list[str]) -> bool:
    """Tell whether the items, joined by commas, are read back as they are."""
    return [part.strip() for part in ",".join(items).split(",") if part.strip()] == items and (
        not items or not items[0].startswith(("[", "{"))
    )


def _plain(value: object) -> str:
    if isinstance(value, Secret):
        return HIDDEN if value else ""
    return str(value)


def _scalar(plain: object) -> str:
    return redact_text(plain if isinstance(plain, str) else msgspec.json.encode(plain).decode())


def _bare(node: inspect.Type) -> inspect.Type:
    return _bare(node.type) if isinstance(node, inspect.Metadata) else node


def _limits(node: inspect.Type) -> str:
    match node:
        case inspect.LiteralType(values=values):
            return f"one of {', '.join(map(str, values))}"
        case inspect.EnumType(cls=cls):
            return f"one of {', '.join(str(member.value) for member in cls)}"
        case inspect.UnionType(types=types):
            return "; ".join(filter(None, (_limits(_bare(each)) for each in types)))
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            each = _limits(_bare(item))
            return ", ".join(filter(None, [_bounds(node), each and f"each {each}"]))
        case _:
            return _bounds(node)


def _bounds(node: inspect.Type) -> str:
    limits = ((getattr(node, name, None), words) for name, words in _LIMITS)
    return ", ".join(words.format(limit) for limit, words in limits if limit is not None)


def _rule(node: inspect.Type) -> str:
    match node:
        case inspect.LiteralType() | inspect.EnumType():
            return _limits(node)
        case inspect.UnionType(types=types):
            return ", or ".join(_rule(_bare(each)) for each in types)
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            words = f"a comma-separated list, each {_rule(_bare(item))}"
            return ", ".join(filter(None, [words, _bounds(node)]))
        case inspect.CustomType(cls=cls):
            return {Secret: "a secret text", pathlib.Path: "a path"}.get(cls, f"a {cls.__name__}")
        case _:
            kind = type(node).__name__.removesuffix("Type").lower()
            words = _WORDS.get(type(node), f"a {kind}")
            return ", ".join(filter(None, [words, _bounds(node)]))


def _alternatives(node: inspect.Type) -> Iterable[inspect.Type]:
    bare = _bare(node)
    return map(_bare, bare.types) if isinstance(bare, inspect.UnionType) else (bare,)


def _untangled(text: str, node: inspect.Type) -> object:
    """Give a text the shape msgspec expects, or return it as it is."""
    kinds = tuple(_alternatives(node))
    if not text and any(isinstance(kind, inspect.NoneType) for kind in kinds):
        return None
    if any(isinstance(kind, inspect.StrType | inspect.CustomType) for kind in kinds):
        return text
    if text.lstrip().startswith(("[", "{")):
        return msgspec.json.decode(text)
    sequence = next((kind for kind in kinds if isinstance(kind, _SEQUENCES)), None)
    if sequence is not None:
        item = getattr(sequence, "item_type", inspect.AnyType())
        return [_untangled(part.strip(), item) for part in text.split(",") if part.strip()]
    if any(isinstance(kind, inspect.BoolType) for kind in kinds):
        return _BOOLEANS.get(text.strip().lower(), text.strip())
    return text.strip()


def _converted(value: object, declared: Any, *, strict: bool) -> Any:
    converted = msgspec.convert(value, declared, strict=strict, dec_hook=_custom)
    if isinstance(converted, float) and not math.isfinite(converted):
        msg = "not a finite number"
        raise ValueError(msg)
    return converted


def _custom(wanted: type, value: object) -> object:
    if wanted in (Secret, pathlib.Path) and isinstance(value, str):
        return wanted(value)
    msg = f"cannot make a {wanted.__name__} from this"
    raise ValueError(msg)
