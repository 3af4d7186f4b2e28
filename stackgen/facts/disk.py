"""What weights and images take on a disk, each figure with its reason in files_on_disk.json and images.json."""

from __future__ import annotations

from functools import cache

from stackgen.facts.catalogue import ModelFacts
from stackgen.facts.files import document
from stackgen.records import dataclass

_ANY = "any"
_NOT_READ = ("recalled", "rebuilt")


@dataclass(frozen=True, kw_only=True)
class ImageSize:
    """An image as it lies on a disk, unpacked."""

    gib: float
    is_estimate: bool
    """Whether nobody read it of the very image: it was recalled, or measured of one that was built from the same packages."""


@cache
def image_size(family: str, accelerator: str) -> ImageSize | None:
    """What the image of a family takes; None where nothing is known of it.

    Args:
        family: key of images.json.
        accelerator: `cpu`, `nvidia` or `rocm`; images of some families differ by it.
    """
    sizes = document("images.json").get(family, {}).get("unpacked", {})
    found = sizes.get(accelerator) or sizes.get(_ANY)
    return ImageSize(gib=found["gib"], is_estimate=found["source"].startswith(_NOT_READ)) if found else None


def files_gib(known: ModelFacts) -> float:
    """What a model's files take: encoders lie there in numbers of 32 bits, and the catalogue counts 16."""
    copies = document("files_on_disk.json")["copies_by_kind"].get(known.kind)
    return known.weights_gib * (copies["value"] if copies else 1)
