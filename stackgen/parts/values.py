"""Values that nobody has spelled yet: secrets by name, words of commands, images."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from stackgen.records import dataclass
from stackgen.sources import Origin, Path
from stackgen.spec import ImageChoice


class SecretKind(Enum):
    """Who provides the value of a secret."""

    GENERATED = "generated"
    REQUIRED = "required"
    OPTIONAL = "optional"


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A secret by name; its value is never here."""

    name: str
    purpose: str
    kind: SecretKind = SecretKind.GENERATED
    prefix: str = ""
    guards_volume: str = ""
    """Volume whose content can only be read with this secret: it is not generated anew while the volume exists."""
    from_environment: bool = False
    url_safe: bool = False
    """Stands inside a URL or a line of shell, so its value must be made of letters, digits, `-` and `_`."""
    fixed: str = ""
    """Why it can never change once its volume holds data; empty where it can."""
    notice: str = ""
    """What whoever shows the old value notices when it changes; empty where that is services of the stack alone."""


@dataclass(frozen=True)
class Joined:
    """Text around secrets, such as a database URL."""

    parts: tuple[str | Secret, ...]


Value = str | int | float | bool | Secret | Joined


@dataclass(frozen=True, kw_only=True)
class Arg:
    """One word of a command or one value of an environment, with where it came from."""

    value: Value
    path: Path = ()
    """Path in the merged spec; empty where the engine itself decides."""
    why: str = ""
    """The reason, for where nobody wrote the value: neither spec nor profile."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image by its exact name. `version` is that of the program inside."""

    family: str
    reference: str
    version: str
    origin: Origin | None

    @classmethod
    def chosen(cls, family: str, choice: ImageChoice, version: str, origin: Origin | None) -> Image:
        """The image that a profile pins or a spec names."""
        return cls(family=family, reference=choice.reference, version=choice.version or version, origin=origin)

    @property
    def release(self) -> tuple[int, ...]:
        """The numbers of the version, for comparing: 0.32.0 is (0, 32, 0)."""
        return tuple(int(part) for part in self.version.split(".") if part.isdigit())


def secrets_of(value: Value) -> Iterator[Secret]:
    """The secrets inside a value."""
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, Joined):
        yield from (part for part in value.parts if isinstance(part, Secret))
