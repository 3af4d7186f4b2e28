"""What a stack takes of disks: its images, the weights of its models, what it keeps beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from stackgen import facts
from stackgen.parts import Instance, ServedModel, Service, Storage
from stackgen.records import dataclass
from stackgen.sources import ACCELERATOR_OF_VENDOR, printable

_PROCESSOR = "cpu"


@dataclass(frozen=True, kw_only=True)
class ImageSpace:
    """An image, unpacked."""

    reference: str
    gib: float | None
    """None where nobody knows: images of the user's own, and those that are built."""
    is_estimate: bool = False


@dataclass(frozen=True, kw_only=True)
class StorageSpace:
    """A storage with everything that it is to hold."""

    storage: Storage
    weights_gib: Mapping[str, float | None]
    """What the files of each model take, by its source; None where nobody knows."""

    @property
    def gib(self) -> float:
        """What is known of it."""
        return sum(gib or 0.0 for gib in self.weights_gib.values()) + (self.storage.size_estimate_gib or 0.0)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Sources of which nobody knows how large they are."""
        return tuple(source for source, gib in self.weights_gib.items() if gib is None)


@dataclass(frozen=True, kw_only=True)
class Disk:
    """What a stack takes of disks, models that sleep included."""

    images: tuple[ImageSpace, ...] = ()
    storages: tuple[StorageSpace, ...] = ()

    @property
    def gib(self) -> float:
        """Everything that is known."""
        return sum(image.gib or 0.0 for image in self.images) + sum(space.gib for space in self.storages)


def of_stack(services: Sequence[Service], instances: Iterable[Instance]) -> Disk:
    """What the services of a stack take; sources that begin with `/` are in the image already."""
    models = {instance.name: instance.models for instance in instances}
    return Disk(images=tuple(_images(services)), storages=tuple(_storages(services, models)))


def rows(disk: Disk) -> Iterator[tuple[str, ...]]:
    """Images and storages with what they take, and the sum."""
    for image in disk.images:
        size = "?" if image.gib is None else f"{image.gib:.1f} GiB"
        yield "image", printable(image.reference), size, "estimate" if image.is_estimate else ""
    for space in disk.storages:
        unknown = "?" if space.unknown and not space.gib else f"{space.gib:.1f} GiB"
        yield "storage", space.storage.name, unknown, _parts(space)
    if disk.images:
        lacking = [printable(image.reference) for image in disk.images if image.gib is None]
        lacking += [source for space in disk.storages for source in space.unknown]
        yield "in all", "", f"{disk.gib:.1f} GiB", f"without {', '.join(lacking)}" if lacking else ""


def as_data(disk: Disk) -> dict[str, Any]:
    """The same as data; sizes that nobody knows are null."""
    return {
        "known_gib": round(disk.gib, 2),
        "images": [
            {"image": printable(image.reference), "gib": image.gib, "estimate": image.is_estimate}
            for image in disk.images
        ],
        "storage": [
            {
                "name": space.storage.name,
                "known_gib": round(space.gib, 2),
                "weights": [
                    {"source": source, "gib": gib and round(gib, 2)} for source, gib in space.weights_gib.items()
                ],
            }
            for space in disk.storages
        ],
    }


def _images(services: Sequence[Service]) -> Iterator[ImageSpace]:
    for reference, service in sorted({service.image_reference: service for service in services}.items()):
        size = _image_size(service)
        yield ImageSpace(
            reference=reference, gib=size.gib if size else None, is_estimate=bool(size and size.is_estimate)
        )


def _image_size(service: Service) -> facts.ImageSize | None:
    """The size of its family's image; what is built or laid over it is somebody else's."""
    if service.build or service.image_reference != service.image.reference:
        return None
    vendor = service.gpus[0].card.vendor if service.gpus else _PROCESSOR
    return facts.image_size(service.image.family, ACCELERATOR_OF_VENDOR.get(vendor, vendor))


def _storages(services: Iterable[Service], models: Mapping[str, tuple[ServedModel, ...]]) -> Iterator[StorageSpace]:
    storages: dict[str, Storage] = {}
    weights: dict[str, dict[str, float | None]] = {}
    for service in services:
        for mount in service.mounts:
            storages[mount.storage.name] = mount.storage
            held = weights.setdefault(mount.storage.name, {})
            if mount.storage.weights_at is not None:
                held |= {served.model.source: _files_gib(served) for served in models.get(service.name, ())}
    for name, storage in sorted(storages.items()):
        found = {source: weights[name][source] for source in sorted(weights[name]) if not source.startswith("/")}
        yield StorageSpace(storage=storage, weights_gib=found)


def _files_gib(served: ServedModel) -> float | None:
    return facts.files_gib(served.known) if served.known else None


def _parts(space: StorageSpace) -> str:
    """Each model with its size; what the storage holds beside them."""
    parts = [f"{source} {'?' if gib is None else f'{gib:.1f}'}" for source, gib in space.weights_gib.items()]
    return ", ".join(parts) or space.storage.holds
