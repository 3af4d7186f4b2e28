"""Images: pinned ones and those that are built on the machine."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from stackgen.spec.words import EnvironmentName, NonEmptyText, Strict, Text

_COMPONENT = r"[a-z0-9]+([._-]+[a-z0-9]+)*"
_REPOSITORY = rf"^({_COMPONENT}(:[0-9]{{1,5}})?/)?{_COMPONENT}(/{_COMPONENT})*$"
"""An image without its tag: a registry, perhaps with its port, then path components."""


_VERSION = r"^[0-9]{1,6}(\.[0-9]{1,6}(\.[0-9A-Za-z]{1,20}){0,4})?$"


class ImageChoice(Strict):
    """An image by its exact name."""

    repository: Annotated[str, StringConstraints(pattern=_REPOSITORY, max_length=250)] = Field(
        description="Image without its tag."
    )
    tag: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")] = Field(
        description="Exact tag."
    )
    digest: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")] | None = Field(
        None, description="Digest of the content; with it a tag that moves cannot change what runs."
    )
    version: Annotated[str, StringConstraints(pattern=_VERSION)] | None = Field(
        None, description="Version of the program inside; that of the profile's pin where left out."
    )

    @property
    def reference(self) -> str:
        """`repository:tag`, with `@digest` where it is known."""
        return f"{self.repository}:{self.tag}" + (f"@{self.digest}" if self.digest else "")


class Pin(ImageChoice):
    """An image that is known to work, with the evidence for it."""

    version: Annotated[str, StringConstraints(pattern=_VERSION)] = Field(
        description="Version of the program inside; flags are proven against it."
    )
    evidence: NonEmptyText = Field(description="Why this pin is believed to work.")


class Build(Strict):
    """How to build an image on the machine."""

    context: NonEmptyText = Field(description="Folder of the build, beside the spec or absolute.")
    dockerfile: NonEmptyText | None = Field(None, description="Dockerfile inside the folder, where not Dockerfile.")
    args: dict[EnvironmentName, Text] = Field(default_factory=dict, description="Arguments of the build.")
