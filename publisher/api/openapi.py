"""The OpenAPI 3.1 document of /v1, made of the routes and the types they are declared with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from publisher.api.route import Route
from publisher.api.shapes import Error

#: Refusals that any route may answer; those with a key also 401, 403 and 429.
_ANYWHERE = (400, 408, 413, 415, 422, 503)
_WITH_KEY = (401, 403, 429)
_REF = "#/components/schemas/{name}"


def document(routes: Sequence[Route], *, version: str) -> dict[str, Any]:
    """Return the document as plain values."""
    types: list[Any] = [Error]
    for route in routes:
        types += [*route.answers.values(), *([route.body] if route.body else [])]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    named = dict(zip(map(repr, types), schemas, strict=True))
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, named)
    described: dict[str, Any] = _portable(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "tickflow",
                "version": version,
                "description": "Commands, orders, instruments of a tickflow pipeline.",
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "servers": [{"url": "/"}],
            "security": [{"key": []}],
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            },
        }
    )
    return described


def statuses(route: Route) -> set[int]:
    """Return every status the document gives for a route."""
    refused = {*_ANYWHERE, *route.refusals}
    if route.needs_key:
        refused.update(_WITH_KEY)
    return {*route.answers, *refused}


def _operation(route: Route, named: dict[str, Any]) -> dict[str, Any]:
    responses = {}
    for status in sorted(statuses(route)):
        kind = route.answers.get(status, Error)
        responses[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "headers": {"X-Request-ID": {"schema": {"type": "string"}}},
            "content": {"application/json": {"schema": named[repr(kind)]}},
        }
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": [*_path_parameters(route.path), *_query_parameters(route)],
        "responses": responses,
    }
    if route.scope:
        operation["description"] = f"Needs the scope `{route.scope}`."
    if not route.needs_key:
        operation["security"] = []
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": named[repr(route.body)]}},
        }
        if route.body_note:
            operation["requestBody"]["description"] = route.body_note
    return operation


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    schema = msgspec.json.schema(route.query)
    declared = schema["$defs"][route.query.__name__] if "$defs" in schema else schema
    required = set(declared.get("required", ()))
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "schema": _inlined(shape, schema.get("$defs", {})),
        }
        for name, shape in declared.get("properties", {}).items()
    ]


def _inlined(shape: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(shape, dict):
        if "$ref" in shape:
            return _inlined(definitions[shape["$ref"].rpartition("/")[2]], definitions)
        return {name: _inlined(value, definitions) for name, value in shape.items()}
    if isinstance(shape, list):
        return [_inlined(value, definitions) for value in shape]
    return shape


def _portable(value: Any) -> Any:
    """Write patterns as every reader of schemas knows them: ECMA knows ^ and $ only."""
    if isinstance(value, dict):
        return {
            name: _anchored(inner)
            if name == "pattern" and isinstance(inner, str)
            else _portable(inner)
            for name, inner in value.items()
        }
    return [_portable(inner) for inner in value] if isinstance(value, list) else value


def _anchored(pattern: str) -> str:
    return pattern.replace("\\A", "^").replace("\\Z", "$")
