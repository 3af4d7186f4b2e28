"""The models of the stand-in for Ollama: their names, what they can do, and the folder that keeps them over a restart.

The folder has Ollama's form (`manifests/HOST/NAMESPACE/MODEL/TAG`), without the weights that its layers name.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from .. import catalogue

_HOST, _NAMESPACE, _TAG = "registry.ollama.ai", "library", "latest"
_PART = re.compile(r"\w[\w.-]{0,79}", re.ASCII)
_NAMESPACE_PART = re.compile(r"\w[\w-]{0,79}", re.ASCII)
_HOST_PART = re.compile(r"\w[\w.:-]{0,349}", re.ASCII)
_NOWHERE = re.compile(r"missing|gone", re.IGNORECASE)
_GIB = 2**30
_UNKNOWN_GIB = 1.0
_STEPS = 10


@dataclass(frozen=True, kw_only=True)
class Name:
    """A model's whole name."""

    host: str = _HOST
    namespace: str = _NAMESPACE
    model: str
    tag: str = _TAG

    @classmethod
    def of(cls, text: str) -> Name | None:
        """Read `[HOST/][NAMESPACE/]MODEL[:TAG]`; None where it is no name of a model."""
        path, colon, tag = text.rpartition("://")[2].rpartition(":")
        if not colon or "/" in tag:
            path, tag = text.rpartition("://")[2], _TAG
        *before, model = path.rsplit("/", 2)
        namespace = before[-1] if before else _NAMESPACE
        host = before[0] if len(before) > 1 else _HOST
        fits = _HOST_PART.fullmatch(host) and _NAMESPACE_PART.fullmatch(namespace)
        if not (fits and _PART.fullmatch(model) and _PART.fullmatch(tag)):
            return None
        return cls(host=host, namespace=namespace, model=model, tag=tag)

    @property
    def path(self) -> str:
        """Where it lies below the manifests."""
        return f"{self.host}/{self.namespace}/{self.model}/{self.tag}"

    @property
    def whole(self) -> str:
        """With host and namespace, as some errors spell it."""
        return f"{self.host}/{self.namespace}/{self.model}:{self.tag}"

    @property
    def shortest(self) -> str:
        """As lists spell it: what everybody has is left out, the tag is not."""
        short = f"{self.model}:{self.tag}"
        if self.host != _HOST:
            return f"{self.host}/{self.namespace}/{short}"
        return short if self.namespace == _NAMESPACE else f"{self.namespace}/{short}"


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model that was pulled."""

    name: Name
    origin: str
    """The shortest name under which it was pulled; a copy has another one."""
    digest: str
    size_bytes: int
    modified: float
    """Seconds since 1970."""

    @cached_property
    def known(self) -> catalogue.Model:
        """What the catalogue says about it."""
        return catalogue.find(self.origin, self.origin.removesuffix(f":{_TAG}"))

    @cached_property
    def capabilities(self) -> tuple[str, ...]:
        """What Ollama's library says it can do; a model that nobody knows is believed to talk, call tools and see."""
        families: dict[str, list[str]] = catalogue.facts("ollama_families")["families"]
        base = self.origin.lower().rpartition("/")[2]
        family = max((family for family in families if base.startswith(family)), key=len, default="")
        if family:
            return tuple(families[family])
        kinds = {"vlm": ("completion", "vision"), "embedding": ("embedding",), "llm": ("completion", "tools")}
        return kinds.get(self.known.kind, ("completion", "tools", "vision"))

    @property
    def architecture(self) -> str:
        """The word that keys of its metadata begin with."""
        return re.sub(r"[^a-z0-9]", "", self.origin.lower().rpartition("/")[2].partition(":")[0])

    @property
    def details(self) -> dict[str, Any]:
        """What lists say of it."""
        tag = self.origin.rpartition(":")[2]
        size = re.search(r"\d+(\.\d+)?[bm]\b", tag, re.IGNORECASE)
        quantization = re.search(r"q\d\w*|fp16|bf16", tag, re.IGNORECASE)
        return {
            "parent_model": "",
            "format": "gguf",
            "family": self.architecture,
            "families": [self.architecture],
            "parameter_size": size.group().upper() if size else "",
            "quantization_level": quantization.group().upper() if quantization else "Q4_K_M",
        }


class Store:
    """The folder of models; many threads may read and write."""

    def __init__(self, folder: Path, pull_seconds: float) -> None:
        self._lock = threading.RLock()
        self.manifests = folder / "manifests"
        self.pull_seconds = pull_seconds
        self.manifests.mkdir(parents=True, exist_ok=True)

    def models(self) -> list[Model]:
        """All that are here, the last one first."""
        with self._lock:
            found = [self._read(file) for file in self.manifests.glob("*/*/*/*") if file.is_file()]
        return sorted(found, key=lambda model: (-model.modified, model.name.shortest))

    def find(self, text: str) -> Model | None:
        """The model of a name, whatever its case."""
        name = Name.of(text)
        wanted = name.path.lower() if name else ""
        return next((model for model in self.models() if model.name.path.lower() == wanted), None)

    def pull(self, name: Name) -> Iterator[dict[str, Any]]:
        """The lines that tell of a pull; the model is there with the last but one."""
        yield {"status": "pulling manifest"}
        if _NOWHERE.search(name.model):
            yield {"error": "pull model manifest: file does not exist"}
            return
        manifest = _manifest(name)
        layers = [*manifest["layers"], manifest["config"]]
        for layer in layers:
            yield from self._download(layer, self.pull_seconds if layer is layers[0] else 0.0)
        yield {"status": "verifying sha256 digest"}
        yield {"status": "writing manifest"}
        try:
            self._write(name, manifest)
        except OSError as error:
            yield {"error": f"open {self.manifests / name.path}: {(error.strerror or str(error)).lower()}"}
            return
        yield {"status": "success"}

    def copy(self, model: Model, name: Name) -> None:
        """Give a model a second name."""
        self._write(name, json.loads((self.manifests / model.name.path).read_bytes()))

    def remove(self, model: Model) -> None:
        """Forget a model."""
        with self._lock:
            (self.manifests / model.name.path).unlink(missing_ok=True)

    def _download(self, layer: dict[str, Any], seconds: float) -> Iterator[dict[str, Any]]:
        digest, total = layer["digest"], layer["size"]
        line = {"status": f"pulling {digest[7:19]}", "digest": digest, "total": total}
        yield line
        steps = _STEPS if seconds else 1
        for step in range(1, steps + 1):
            time.sleep(seconds / steps)
            yield {**line, "completed": total * step // steps}

    def _read(self, file: Path) -> Model:
        content = file.read_bytes()
        manifest = json.loads(content)
        host, namespace, model, tag = file.relative_to(self.manifests).parts
        return Model(
            name=Name(host=host, namespace=namespace, model=model, tag=tag),
            origin=manifest["layers"][0]["from"],
            digest=hashlib.sha256(content).hexdigest(),
            size_bytes=sum(layer["size"] for layer in (manifest["config"], *manifest["layers"])),
            modified=file.stat().st_mtime,
        )

    def _write(self, name: Name, manifest: dict[str, Any]) -> None:
        """Whole or not at all, and under the name's first spelling."""
        with self._lock:
            known = self.find(name.shortest)
            file = self.manifests / (known.name if known else name).path
            file.parent.mkdir(parents=True, exist_ok=True)
            new = file.parent.parent / f".{file.parent.name}-{name.tag}-{time.monotonic_ns()}"
            new.write_text(json.dumps(manifest))
            new.replace(file)


def _manifest(name: Name) -> dict[str, Any]:
    origin = name.shortest
    known = Model(name=name, origin=origin, digest="", size_bytes=0, modified=0.0).known
    weights = round((known.weights_gib or _UNKNOWN_GIB) * _GIB)
    kinds = {"model": weights, "template": 1_723, "license": 11_343, "params": 120}
    layers = [
        {"mediaType": f"application/vnd.ollama.image.{kind}", "digest": _digest(origin, kind), "size": size}
        for kind, size in kinds.items()
    ]
    layers[0]["from"] = origin
    return {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "digest": _digest(origin, "config"),
            "size": 487,
        },
        "layers": layers,
    }


def _digest(origin: str, what: str) -> str:
    return f"sha256:{hashlib.sha256(f'{origin} {what}'.encode()).hexdigest()}"
