"""Settings as one frozen struct, read once."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Mapping
from typing import Annotated, Final, Generic, Literal, TypeVar

from msgspec import Meta, Struct

from shared.errors import SettingsError
from shared.runtime.redact import HIDDEN, redact_text
from shared.runtime.setting_fields import Catalogue, FieldPath, Leaf, build
from shared.runtime.setting_sources import CONFIG_VARIABLE, Given, Sources
from shared.runtime.setting_types import (
    convert_parsed,
    limits_of,
    parse_text,
    rule_of,
    shown,
    type_name,
)

S = TypeVar("S", bound=Struct)

DEFAULT_ORIGIN: Final = "default"


class LogSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How a worker talks to whoever reads its standard error."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="The least severe line that is written; vendors speak from warning up."),
    ] = "info"
    format: Annotated[
        Literal["auto", "json", "console"],
        Meta(description="auto is console on a terminal, one JSON object a line elsewhere."),
    ] = "auto"


class ProbeSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a worker answers /livez, /readyz, /startupz, /metrics."""

    host: Annotated[
        str,
        Meta(min_length=1, description="Address to listen on; loopback unless a cluster probes."),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Meta(ge=0, le=65535, description="0 picks a free port, named in the worker.starting line."),
    ] = 0
    check_timeout_s: Annotated[
        float,
        Meta(gt=0, le=30, description="Seconds one readiness check may take; less than kubelet's."),
    ] = 0.8


class Loaded(Struct, Generic[S], frozen=True):
    """Settings with the place each came from, by dotted name."""

    settings: S
    origins: Mapping[str, str]


class SettingRow(Struct, frozen=True):
    """One setting as documentation shows it; every field is text."""

    name: str
    env_name: str
    type: str
    default: str
    limits: str
    doc: str
    required: bool


def load(
    struct_type: type[S],
    environ: Mapping[str, str],
    *,
    name: str,
    file: pathlib.Path | None = None,
    overrides: Mapping[str, str] | None = None,
) -> S:
    """Return the settings: defaults, then the file, then the environment, then the overrides.

    `file` wins over the one that TICKFLOW_CONFIG names; `overrides` maps `section.field` to text.

    Raises:
        SettingsError: every problem found, one sentence a line, each starting with `name`.
    """
    return load_with_origins(
        struct_type, environ, name=name, file=file, overrides=overrides
    ).settings


def load_with_origins(
    struct_type: type[S],
    environ: Mapping[str, str],
    *,
    name: str,
    file: pathlib.Path | None = None,
    overrides: Mapping[str, str] | None = None,
) -> Loaded[S]:
    """Return the settings as `load` does, beside where each value came from.

    Raises:
        SettingsError: every problem found, one sentence a line, each starting with `name`.
    """
    catalogue = Catalogue(struct_type)
    sources = Sources(catalogue)
    named = environ.get(CONFIG_VARIABLE)
    chosen = file or (pathlib.Path(named) if named else None)
    given = [
        *(sources.from_file(chosen) if chosen else ()),
        *sources.from_environment(environ),
        *sources.from_flags(overrides or {}),
    ]
    last = {each.leaf.path: each for each in given}
    problems = sources.problems
    values = _convert_all(last.values(), problems)
    problems += _missing(catalogue, last)
    settings = _assemble(struct_type, values, problems)
    if settings is None:
        raise SettingsError("\n".join(f"{name}: {problem}" for problem in problems))
    return Loaded(settings=settings, origins=_origins(catalogue, last))


def describe(struct_type: type[Struct]) -> tuple[SettingRow, ...]:
    """Return a row per setting, in the order they are declared."""
    return tuple(map(_row, Catalogue(struct_type).leaves.values()))


def effective(settings: Struct) -> dict[str, str]:
    """Return every setting in force by dotted name, as one would type it, secrets hidden."""
    return {
        leaf.name: shown(_value_at(settings, leaf.path))
        for leaf in Catalogue(type(settings)).leaves.values()
    }


def env_example(rows: Iterable[SettingRow]) -> str:
    """Return the text of an environment file with every setting in it, commented out."""
    blocks = []
    for row in rows:
        facts = "; ".join(filter(None, [row.type, row.limits, "required" * row.required]))
        prose = f"# {row.doc}\n" if row.doc else ""
        blocks.append(f"{prose}# ({facts})\n#{row.env_name}={row.default}\n")
    return "\n".join(blocks)


def _convert_all(given: Iterable[Given], problems: list[str]) -> dict[FieldPath, object]:
    values: dict[FieldPath, object] = {}
    for each in given:
        try:
            values[each.leaf.path] = _convert(each)
        except ValueError:  # msgspec's own errors are ValueErrors too
            problems.append(_refusal(each))
    return values


def _convert(given: Given) -> object:
    if given.is_text:
        return parse_text(str(given.value), given.leaf.type)
    return convert_parsed(given.value, given.leaf.type)


def _refusal(given: Given) -> str:
    value = HIDDEN if given.leaf.secret else redact_text(repr(given.value))
    return f"{given.source} must be {rule_of(given.leaf.type)}; it is {value}"


def _missing(catalogue: Catalogue, given: Mapping[FieldPath, Given]) -> list[str]:
    required = {path: leaf for path, leaf in catalogue.leaves.items() if leaf.required}
    unset = [
        f"{leaf.env_name} is not set; it must be {rule_of(leaf.type)}"
        for path, leaf in required.items()
        if path not in given
    ]
    # A variable that is there but empty is how an environment file says "fill me in".
    empty = [
        f"{given[path].source} is empty; it must be {rule_of(leaf.type)}"
        for path, leaf in required.items()
        if path in given and given[path].value == ""
    ]
    return unset + empty


def _assemble(
    struct_type: type[S],
    values: Mapping[FieldPath, object],
    problems: list[str],
) -> S | None:
    if problems:
        return None
    try:
        return build(struct_type, values)
    except (ValueError, SettingsError) as error:
        problems.append(str(error))
        return None


def _origins(catalogue: Catalogue, given: Mapping[FieldPath, Given]) -> dict[str, str]:
    return {
        leaf.name: given[path].source if path in given else DEFAULT_ORIGIN
        for path, leaf in catalogue.leaves.items()
    }


def _value_at(settings: object, path: FieldPath) -> object:
    for name in path:
        settings = getattr(settings, name)
    return settings


def _row(leaf: Leaf) -> SettingRow:
    return SettingRow(
        name=leaf.name,
        env_name=leaf.env_name,
        type=type_name(leaf.type),
        default="" if leaf.required else shown(leaf.default),
        limits=limits_of(leaf.type),
        doc=leaf.doc,
        required=leaf.required,
    )
