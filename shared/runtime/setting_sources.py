"""Where settings come from: a file, the environment, flags."""

from __future__ import annotations

import pathlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from shared.runtime.setting_fields import FILE_SUFFIX, PREFIX, Catalogue, FieldPath, Leaf

#: Names this project reads for itself under its prefix, beside the settings.
CONFIG_VARIABLE: Final = PREFIX + "CONFIG"
#: Names everybody uses; each stands for these settings where the struct has them.
PLAIN_NAMES: Final[Mapping[str, tuple[FieldPath, ...]]] = {
    "REDIS_URL": (("redis", "ticks_url"), ("redis", "orders_url")),
    "POSTGRES_URL": (("postgres", "url"),),
    "TICKS_BACKEND": (("ticks", "backend"),),
}
#: A secret is a line; a larger file was named by mistake.
SECRET_FILE_BYTES_MAX: Final = 65_536


@dataclass(frozen=True, slots=True)
class Given:
    """One value somebody gave; `source` is what a person has to edit to change it."""

    leaf: Leaf
    value: object
    source: str
    is_text: bool


class Sources:
    """Collects what each source gives, beside every problem met on the way."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self.problems: list[str] = []

    def from_file(self, file: pathlib.Path) -> list[Given]:
        """Return the values of a TOML file."""
        try:
            tables = tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            self.problems.append(f"settings file {file} cannot be read: {error.strerror}")
            return []
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            self.problems.append(f"settings file {file} is not TOML: {error}")
            return []
        return list(self._from_table(tables, (), file))

    def from_environment(self, environ: Mapping[str, str]) -> list[Given]:
        """Return the values of the environment, the plain names first."""
        return [*self._from_plain_names(environ), *self._from_prefixed_names(environ)]

    def from_flags(self, flags: Mapping[str, str]) -> list[Given]:
        """Return the values of `section.field=value` flags."""
        given: list[Given] = []
        for name, text in flags.items():
            path = tuple(name.split("."))
            if self._catalogue.resolve(path) is None:
                self._unknown(f"--set {name}", path, dotted=True)
            else:
                given += self._given(path, text, f"--set {name}", is_text=True)
        return given

    def _from_table(
        self,
        table: Mapping[str, object],
        above: FieldPath,
        file: pathlib.Path,
    ) -> Iterator[Given]:
        for key, value in table.items():
            path = (*above, key)
            source = f"{'.'.join(path)} in {file}"
            if self._catalogue.elsewhere(path):
                continue
            if path in self._catalogue.sections:
                if isinstance(value, dict):
                    yield from self._from_table(value, path, file)
                else:
                    self.problems.append(f"{source} must be a table of settings")
            elif self._catalogue.resolve(path) is None:
                self._unknown(source, path, dotted=True)
            else:
                yield from self._given(path, value, source, is_text=False)

    def _from_plain_names(self, environ: Mapping[str, str]) -> Iterator[Given]:
        for name, paths in PLAIN_NAMES.items():
            for path in paths:
                # An empty one is nobody's: these names are not ours to be strict about.
                if environ.get(name) and self._catalogue.resolve(path):
                    yield from self._given(path, environ[name], name, is_text=True)

    def _from_prefixed_names(self, environ: Mapping[str, str]) -> Iterator[Given]:
        for name in sorted(environ):
            if not name.startswith(PREFIX) or name == CONFIG_VARIABLE:
                continue
            path = tuple(name.removeprefix(PREFIX).lower().split("__"))
            if self._catalogue.resolve(path) and name == name.upper():
                yield from self._given(path, environ[name], name, is_text=True)
                self._refuse_both(name, environ)
            elif not (len(path) > 1 and self._catalogue.elsewhere(path)):
                self._unknown(name, path, dotted=False)

    def _refuse_both(self, name: str, environ: Mapping[str, str]) -> None:
        path = tuple(name.removeprefix(PREFIX).lower().split("__"))
        other = name + FILE_SUFFIX.upper()
        resolved = self._catalogue.resolve(path)
        if resolved and resolved[0].secret and not resolved[1] and other in environ:
            self.problems.append(f"{name} and {other} are both set; keep one")

    def _given(
        self,
        path: FieldPath,
        value: object,
        source: str,
        *,
        is_text: bool,
    ) -> Iterator[Given]:
        resolved = self._catalogue.resolve(path)
        assert resolved is not None
        leaf, names_a_file = resolved
        if not names_a_file:
            yield Given(leaf, value, source, is_text)
        elif (text := self._secret_in(str(value), source)) is not None:
            yield Given(leaf, text, source, is_text=True)

    def _secret_in(self, name: str, source: str) -> str | None:
        try:
            with pathlib.Path(name).open(encoding="utf-8") as file:
                text = file.read(SECRET_FILE_BYTES_MAX + 1)
        except OSError as error:
            self.problems.append(f"{source} names {name!r}, which cannot be read: {error.strerror}")
            return None
        except UnicodeDecodeError:
            self.problems.append(f"{source} names {name!r}, which is not UTF-8 text")
            return None
        if len(text) > SECRET_FILE_BYTES_MAX:
            self.problems.append(f"{source} names {name!r}, which is too large for a secret")
            return None
        return text.rstrip("\r\n")

    def _unknown(self, source: str, path: FieldPath, *, dotted: bool) -> None:
        plain = (*path[:-1], path[-1].removesuffix(FILE_SUFFIX))
        if path[-1].endswith(FILE_SUFFIX) and self._catalogue.resolve(plain):
            self.problems.append(f"{source} is refused: only a secret is read from a file")
            return
        nearest = self._catalogue.nearest(path)
        advice = ""
        if nearest is not None:
            advice = f"; the nearest is {nearest.name if dotted else nearest.env_name}"
        self.problems.append(f"{source} is not a setting{advice}")
