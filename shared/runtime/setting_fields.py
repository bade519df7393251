"""The names, types, defaults and prose of every setting a struct declares."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
from msgspec import NODEFAULT, Struct

from shared.runtime.setting_types import description_of, is_secret, section_type

S = TypeVar("S", bound=Struct)
FieldPath = tuple[str, ...]

PREFIX: Final = "TICKFLOW_"
FILE_SUFFIX: Final = "_file"

_PROGRAMS: Final = ("ingest", "enrich", "executor", "publisher", "ops", "local", "sandbox")
_SHARED: Final = ("kite", "redis", "postgres", "account", "accounts", "log", "probe")
#: All programs read one environment file: each skips the sections here that it does not have.
KNOWN_SECTIONS: Final = frozenset(_PROGRAMS + _SHARED)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One setting: where it stands, what it may be, what it is when nobody says anything."""

    path: FieldPath
    type: Any
    default: object
    doc: str

    @property
    def name(self) -> str:
        """Return the name used in files and flags, such as `redis.ticks_url`."""
        return ".".join(self.path)

    @property
    def env_name(self) -> str:
        """Return the name of its environment variable, such as `TICKFLOW_REDIS__TICKS_URL`."""
        return PREFIX + "__".join(self.path).upper()

    @property
    def required(self) -> bool:
        """Tell whether somebody has to give it."""
        return self.default is NODEFAULT

    @property
    def secret(self) -> bool:
        """Tell whether its value is never shown."""
        return is_secret(self.type)


class Catalogue:
    """Every setting of one struct, found by path."""

    def __init__(self, struct_type: type[Struct]) -> None:
        self.leaves: dict[FieldPath, Leaf] = {leaf.path: leaf for leaf in _walk(struct_type)}
        self.sections = {path[:depth] for path in self.leaves for depth in range(1, len(path))}

    def resolve(self, path: FieldPath) -> tuple[Leaf, bool] | None:
        """Return the setting at `path`, with whether the path names a file holding its value."""
        if leaf := self.leaves.get(path):
            return leaf, False
        if path[-1].endswith(FILE_SUFFIX):
            leaf = self.leaves.get((*path[:-1], path[-1].removesuffix(FILE_SUFFIX)))
            return (leaf, True) if leaf and leaf.secret else None
        return None

    def elsewhere(self, path: FieldPath) -> bool:
        """Tell whether `path` lies in a section that another program has, not this one."""
        return path[0] in KNOWN_SECTIONS and path[:1] not in self.sections

    def nearest(self, path: FieldPath) -> Leaf | None:
        """Return the setting whose name is most like `path`, if any is like it at all."""
        by_name = {leaf.name: leaf for leaf in self.leaves.values()}
        close = difflib.get_close_matches(".".join(path), by_name, n=1, cutoff=0.5)
        return by_name[close[0]] if close else None


def build(struct_type: type[S], values: Mapping[FieldPath, object]) -> S:
    """Make the struct from its leaves' values; what is not in `values` keeps its default.

    Raises:
        ValueError, SettingsError: a struct's own `__post_init__` refuses the combination.
    """
    return _build(struct_type, values, (), None)


def _walk(
    struct_type: type[Struct],
    above: FieldPath = (),
    defaults: Struct | None = None,
) -> Iterator[Leaf]:
    for field in msgspec.structs.fields(struct_type):
        path = (*above, field.name)
        default = _default(field, defaults)
        section = section_type(field.type)
        if section is None:
            yield Leaf(path, field.type, default, description_of(field.type))
        else:
            yield from _walk(section, path, default if isinstance(default, Struct) else None)


def _default(field: msgspec.structs.FieldInfo, defaults: Struct | None) -> object:
    # A section's default instance decides before the section's own field defaults do.
    if defaults is not None:
        return getattr(defaults, field.name)
    if field.default_factory is not NODEFAULT:
        return field.default_factory()
    return field.default


def _build(
    struct_type: type[S],
    values: Mapping[FieldPath, object],
    above: FieldPath,
    defaults: Struct | None,
) -> S:
    arguments: dict[str, object] = {}
    for field in msgspec.structs.fields(struct_type):
        path = (*above, field.name)
        default = _default(field, defaults)
        section = section_type(field.type)
        if section is None:
            arguments[field.name] = values.get(path, default)
        else:
            inner = default if isinstance(default, Struct) else None
            arguments[field.name] = _build(section, values, path, inner)
    return struct_type(**arguments)
