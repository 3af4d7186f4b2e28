"""The image of stand-ins: its name, which changes with its content, and the folder that it is built from."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType

from stackgen import facts
from stackgen.records import dataclass
from stackgen.resources import shipped

REPOSITORY = "stackgen-stand-in"
LABEL = "stackgen.stand-in"
_DOCKERFILE = "Dockerfile"
_PROGRAM = """\
#!/opt/stand-in/python3
import sys

from simulators.programs.{name} import main

sys.exit(main(sys.argv[1:]))
"""
_LINKS = MappingProxyType(
    {"bash": "/bin/bash", "python": "/opt/stand-in/python3", "python3": "/opt/stand-in/python3", "sh": "/bin/sh"}
)
_DIGEST_SHOWN = 12


@dataclass(frozen=True)
class StandIn:
    """One engine's stand-in, of one version of the engine."""

    engine: str
    version: str

    @property
    def reference(self) -> str:
        """The name of its image; another content has another name."""
        version = re.sub(r"[^\w.-]", "-", self.version)
        return f"{REPOSITORY}:{self.engine}-{version}-{_digest()}"

    def arguments(self) -> Mapping[str, str]:
        """What the build is told."""
        known = facts.stand_ins()
        user = known.engines[self.engine]
        return {
            "BASE": known.base,
            "ENGINE": self.engine,
            "VERSION": self.version,
            "OWNER": user.owner,
            "HOME_FOLDER": user.home,
            "STORE": user.store,
        }


def reference(engine: str, version: str) -> str:
    """The name of the image that stands for an engine."""
    return StandIn(engine, version).reference


@cache
def context() -> bytes:
    """The folder of the build as a tar archive; the same content gives the same bytes."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for path, content in sorted(_files().items()):
            _add(archive, path, content, executable=path.startswith("programs/"))
        for engine, user in facts.stand_ins().engines.items():
            for name in sorted(facts.programs(user.programs_of) & set(_LINKS)):
                link = tarfile.TarInfo(f"programs/{engine}/{name}")
                link.type, link.linkname = tarfile.SYMTYPE, _LINKS[name]
                archive.addfile(link)
    return target.getvalue()


@cache
def _digest() -> str:
    return hashlib.sha256(context()).hexdigest()[:_DIGEST_SHOWN]


def _files() -> dict[str, bytes]:
    package = resources.files("stackgen.simulators")
    files = {f"simulators/{path}": content for path, content in _modules(package)}
    files |= {f"facts/{name}": content for name, content in facts.stand_ins().data.items()}
    files[_DOCKERFILE] = (shipped("templates") / "stand-in.Dockerfile").read_bytes()
    own = {path.split("/")[-1].removesuffix(".py") for path in files if path.startswith("simulators/programs/")}
    for engine, user in facts.stand_ins().engines.items():
        for name in sorted(facts.programs(user.programs_of) & own):
            files[f"programs/{engine}/{name}"] = _PROGRAM.format(name=name).encode()
    return files


def _modules(folder: Traversable, below: str = "") -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _modules(entry, f"{below}{entry.name}/")
        elif entry.name.endswith(".py"):
            found.append((f"{below}{entry.name}", entry.read_bytes()))
    return found


def _add(archive: tarfile.TarFile, path: str, content: bytes, *, executable: bool) -> None:
    information = tarfile.TarInfo(path)
    information.size = len(content)
    information.mode = 0o755 if executable else 0o644
    archive.addfile(information, io.BytesIO(content))
