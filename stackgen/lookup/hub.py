"""Models at the Hugging Face hub. The only import of `huggingface_hub`; its errors become ours here."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from stackgen.errors import StackError
from stackgen.lookup import gguf_file
from stackgen.lookup.foreign import json_of
from stackgen.lookup.found import Found, by_hand
from stackgen.lookup.place import Place, found_at
from stackgen.lookup.weights import require_all_parts
from stackgen.records import dataclass

if TYPE_CHECKING:
    from gguf import GGUFReader

DEFAULT_ENDPOINT = "https://huggingface.co"
ID = re.compile(r"([A-Za-z0-9_][A-Za-z0-9._-]{0,95}/)?[A-Za-z0-9_][A-Za-z0-9._-]{0,95}")
_TIMEOUT_SECONDS = 20.0
_FIRST_BYTES, _MOST_BYTES = 16 * 2**20, 256 * 2**20
"""Of the header of a GGUF file: most of it is the vocabulary, some 10 MiB for 150,000 words."""
_BUILT_FROM = "base_model:quantized:"
"""How a tag of the hub begins that names the model of a quantised build."""


@dataclass(frozen=True)
class Hub:
    """A hub, and who asks it."""

    token: str | None = None

    @property
    def endpoint(self) -> str:
        """Where it is: HF_ENDPOINT, as the hub's own programs read it."""
        return os.environ.get("HF_ENDPOINT", "").rstrip("/") or DEFAULT_ENDPOINT

    def found(self, repository: str, model: str = "", kind: str = "") -> Found:
        """The numbers of a model by its config.json and its list of files.

        Args:
            repository: owner/model.
            model: what a spec calls it; the repository where left out.
            kind: what it is; read where left out.

        Raises:
            StackError: the hub does not answer or does not show it, or it does not say enough.
        """
        model = model or repository
        with self._told(repository, model, kind):
            info = self._info(repository)
            place = Place(
                model=model,
                shown=f"{self.endpoint}/{repository}/tree/{info.sha}",
                sizes={file.rfilename: file.size or 0 for file in info.siblings or ()},
                read_json=lambda name: self._json(repository, name, info.sha),
                parameters=lambda: dict(info.safetensors.parameters) if info.safetensors else {},
                pipeline=info.pipeline_tag or "",
                gated=bool(info.gated),
                built_from=next(
                    (tag[len(_BUILT_FROM) :] for tag in info.tags or () if tag.startswith(_BUILT_FROM)), ""
                ),
            )
            return found_at(place, kind)

    def found_gguf(self, repository: str, name: str, model: str = "", kind: str = "") -> Found:
        """The numbers of one GGUF file of a repository: its header alone is read.

        Raises:
            StackError: as `found`.
        """
        model = model or f"{repository}:{name}"
        with self._told(repository, model, kind), TemporaryDirectory() as folder:
            info = self._info(repository)
            sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
            if name not in sizes:
                there = ", ".join(sorted(file for file in sizes if file.endswith(".gguf"))) or "no GGUF file at all"
                raise StackError(f"{repository} has no file {name}", hint=f"it has {there}")
            parts = gguf_file.parts_of(name, list(sizes))
            require_all_parts(parts, repository)
            shown = f"{self.endpoint}/{repository}/blob/{info.sha}/{name}"
            reader = self._header(repository, parts[0], info.sha, sizes[parts[0]], Path(folder) / "header.gguf")
            return gguf_file.found_in(reader, model, shown, sum(sizes[part] for part in parts), kind)

    def _info(self, repository: str) -> Any:
        from huggingface_hub import HfApi  # noqa: PLC0415 - `--help` must not pay for it

        api = HfApi(endpoint=self.endpoint, token=self.token)
        return api.model_info(repository, files_metadata=True, timeout=_TIMEOUT_SECONDS)

    def _get(self, repository: str, name: str, revision: str, headers: dict[str, str]) -> bytes:
        from huggingface_hub import get_session, hf_hub_url, hf_raise_for_status  # noqa: PLC0415 - `--help` must not pay for it
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # noqa: PLC0415 - re-exported without a word

        url = hf_hub_url(repository, name, revision=revision, endpoint=self.endpoint)
        headers = {**build_hf_headers(token=self.token), **headers}
        answer = get_session().get(url, headers=headers, timeout=_TIMEOUT_SECONDS)
        hf_raise_for_status(answer)
        content: bytes = answer.content
        return content

    def _json(self, repository: str, name: str, revision: str) -> Any:
        return json_of(self._get(repository, name, revision, {}), f"{name} of {repository}")

    def _header(self, repository: str, name: str, revision: str, file_bytes: int, path: Path) -> GGUFReader:
        """A file as long as the one at the hub, of which only the header is there; the rest is a hole."""
        wanted = _FIRST_BYTES
        while True:
            content = self._get(repository, name, revision, {"Range": f"bytes=0-{wanted - 1}"})[:wanted]
            with path.open("wb") as file:
                file.write(content)
                file.truncate(max(file_bytes, len(content)))
            is_enough = len(content) >= min(file_bytes, _MOST_BYTES)
            try:
                reader = gguf_file.opened(path, f"{name} of {repository}")
            except StackError:
                if is_enough:
                    raise
            else:
                if is_enough or reader.data_offset <= len(content):
                    return reader
            wanted *= 4

    @contextmanager
    def _told(self, repository: str, model: str, kind: str) -> Iterator[None]:
        """The hub's refusals, and a network that is not there, in our words: with the numbers to declare instead."""
        from huggingface_hub import errors  # noqa: PLC0415 - `--help` must not pay for it
        from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # noqa: PLC0415 - re-exported without a word

        hint = by_hand(model, kind or "llm", {})
        page = f"{self.endpoint}/{repository}"
        try:
            yield
        except errors.GatedRepoError:
            message = f"{repository} is gated, and the hub does not show its files " + (
                "to the account of HF_TOKEN" if self.token else "without a token"
            )
            way = f"ask for access at {page}, then put HF_TOKEN=hf_… into the environment or .stackgen/secrets.env; or "
            raise StackError(message, hint=way + hint) from None
        except errors.RepositoryNotFoundError:
            way = "look for the exact owner/model" + ("" if self.token else ", or set HF_TOKEN where it is private")
            way += f"; the folder of that name is ./{repository}" if Path(repository).exists() else ""
            raise StackError(f"there is no model {repository} at {self.endpoint}", hint=f"{way}; or {hint}") from None
        except errors.HfHubHTTPError as error:
            message = f"{self.endpoint} refuses with {error.response.status_code}"
            raise StackError(message, hint=f"try again later; or {hint}") from None
        except errors.HFValidationError:
            raise StackError(f"{repository} is no id of the hub", hint="write owner/model") from None
        except (HTTPError, OSError) as error:
            reason = str(error) or type(error).__name__
            message = f"{self.endpoint} does not answer: {reason}"
            raise StackError(message, hint=f"run it where there is a network, and commit the file; or {hint}") from None
