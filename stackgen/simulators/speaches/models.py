"""The models of the stand-in for Speaches: the hub's cache, with the card of each model and none of its weights."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import catalogue

_NOWHERE = ("missing", "gone")
_WHISPER_LANGUAGES = ["en", "de", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "zh"]
TASKS = {"stt": "automatic-speech-recognition", "tts": "text-to-speech"}


@dataclass(frozen=True, kw_only=True)
class Voice:
    """One voice of a model."""

    name: str
    language: str
    gender: str = ""

    @property
    def row(self) -> dict[str, str]:
        """As lists show it."""
        gender = {"gender": self.gender} if self.gender else {}
        return {"name": self.name, "language": self.language, **gender, "id": self.name}


def kind_of(model: str) -> str:
    """`stt` or `tts`: what the catalogue says, else what the name says."""
    return catalogue.find(model).kind or ("stt" if "whisper" in model.lower() else "tts")


def is_kokoro(model: str) -> bool:
    """Whether it is the family with many voices; the other one has a voice a model."""
    return "kokoro" in model.lower()


def voices_of(model: str) -> list[Voice]:
    """The voices of a model that speaks, the first one first."""
    known_voices = catalogue.facts("speaches_voices")
    if is_kokoro(model):
        languages, genders = known_voices["kokoro_languages"], {"f": "female", "m": "male"}
        return [
            Voice(name=name, language=languages[name[0]], gender=genders[name[1]]) for name in known_voices["kokoro"]
        ]
    parts = model.rpartition("/")[2].split("-")
    return [Voice(name=parts[2], language=parts[1].partition("_")[0])] if len(parts) > 2 else []  # noqa: PLR2004 - family, language, voice


def rate_of(model: str) -> int:
    """Samples a second of a model that speaks."""
    known_voices = catalogue.facts("speaches_voices")
    if is_kokoro(model):
        return int(known_voices["kokoro_rate"])
    return int(known_voices["piper_rates"].get(model.rpartition("-")[2], 22050))


def exists(model: str) -> bool:
    """Whether the hub has it: OWNER/NAME without `missing` or `gone` in it."""
    owner, _, name = model.partition("/")
    return bool(owner and name) and "/" not in name and not any(word in model.lower() for word in _NOWHERE)


class Store:
    """The hub's cache."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        home = Path(environment.get("HOME") or "/home/ubuntu")
        cache = Path(environment.get("HF_HOME") or home / ".cache" / "huggingface")
        self.folder = Path(environment.get("HF_HUB_CACHE") or cache / "hub")
        self.pull_seconds = float(environment.get("STAND_IN_PULL_SECONDS") or 0.5)

    def models(self) -> list[str]:
        """The models that are here, by name."""
        cards = self.folder.glob("models--*--*/snapshots/*/README.md")
        return sorted({card.parent.parent.parent.name.removeprefix("models--").replace("--", "/") for card in cards})

    def row(self, model: str) -> dict[str, Any]:
        """A model as lists show it; one that is not here has no moment of its making."""
        kind, folder = kind_of(model), self._folder(model)
        row: dict[str, Any] = {
            "id": model,
            "created": int(folder.stat().st_mtime) if folder.exists() else 0,
            "object": "model",
            "owned_by": model.partition("/")[0],
            "language": _WHISPER_LANGUAGES if kind == "stt" else sorted({voice.language for voice in voices_of(model)}),
            "task": TASKS[kind],
        }
        if kind == "tts":
            row |= {"sample_rate": rate_of(model), "voices": [voice.row for voice in voices_of(model)]}
        return row

    def fetch(self, model: str) -> None:
        """Take it from the hub; raises OSError where the folder cannot be written."""
        commit = hashlib.sha1(model.encode(), usedforsecurity=False).hexdigest()
        folder = self._folder(model)
        snapshot = folder / "snapshots" / commit
        snapshot.mkdir(parents=True, exist_ok=True)
        time.sleep(self.pull_seconds)
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / "main").write_text(commit)
        (snapshot / "README.md").write_text(f"---\npipeline_tag: {TASKS[kind_of(model)]}\n---\n")

    def remove(self, model: str) -> None:
        """Delete it."""
        shutil.rmtree(self._folder(model))

    def _folder(self, model: str) -> Path:
        return self.folder / f"models--{model.replace('/', '--')}"


def registry() -> list[str]:
    """What the hub has for it: all that the catalogue knows."""
    return [model.source for model in catalogue.models().values() if model.kind in TASKS]
