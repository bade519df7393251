"""As much of JSON Schema as our documents use, to hold answers against what is documented."""

from __future__ import annotations

import re
from typing import Any

_TYPES = {
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
}  # fmt: skip
_KNOWN = {
    *("$ref", "type", "anyOf", "enum", "const", "properties", "required", "items", "pattern"),
    *("additionalProperties", "minimum", "maximum", "minLength", "maxLength", "minItems"),
    *("maxItems", "title", "description", "default", "discriminator", "format", "prefixItems"),
}


def problems(value: Any, schema: Any, document: dict[str, Any], at: str = "$") -> list[str]:
    """Return what of the value is not as the schema says, a sentence each."""
    unknown = set(schema) - _KNOWN
    assert not unknown, f"the checker does not know {unknown}"
    if "$ref" in schema:
        return problems(value, _resolve(schema["$ref"], document), document, at)
    if "anyOf" in schema:
        tried = [problems(value, each, document, at) for each in schema["anyOf"]]
        return [] if not all(tried) else [f"{at}: fits none of anyOf: {min(tried, key=len)}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{at}: {value!r} is none of {schema['enum']}"]
    if "const" in schema and value != schema["const"]:
        return [f"{at}: {value!r} is not {schema['const']!r}"]
    if "type" in schema and not _is_of(value, schema["type"]):
        return [f"{at}: {value!r} is no {schema['type']}"]
    return _inside(value, schema, document, at)


def _inside(value: Any, schema: Any, document: dict[str, Any], at: str) -> list[str]:
    if isinstance(value, dict):
        return _members(value, schema, document, at)
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [
            found
            for place, inner in enumerate(value)
            for found in problems(inner, schema["items"], document, f"{at}[{place}]")
        ]
    if isinstance(value, str):
        is_fit = re.search(schema.get("pattern", ""), value) is not None
        is_short = len(value) <= schema.get("maxLength", len(value))
        return [] if is_fit and is_short else [f"{at}: {value!r} is not as {schema}"]
    if isinstance(value, int | float) and not isinstance(value, bool):
        is_within = schema.get("minimum", value) <= value <= schema.get("maximum", value)
        return [] if is_within else [f"{at}: {value} is out of bounds"]
    return []


def _members(value: Any, schema: Any, document: dict[str, Any], at: str) -> list[str]:
    named = schema.get("properties", {})
    found = [f"{at}.{name}: missing" for name in schema.get("required", ()) if name not in value]
    rest = schema.get("additionalProperties", True)
    for name, inner in value.items():
        if name in named:
            found += problems(inner, named[name], document, f"{at}.{name}")
        elif rest is False:
            found.append(f"{at}.{name}: not documented")
        elif isinstance(rest, dict):
            found += problems(inner, rest, document, f"{at}.{name}")
    return found


def _is_of(value: Any, kind: str) -> bool:
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, _TYPES[kind])


def _resolve(reference: str, document: dict[str, Any]) -> Any:
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found
