"""NVIDIA cards, as their driver's library (NVML) tells them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stackgen.machine.found import Cards, FoundCard

NO_DRIVER = "no NVIDIA driver found"
_MIB = 2**20


def look(nvml: Any = None) -> Cards:
    """Every card, or the slices of those that are cut.

    Args:
        nvml: the module `pynvml`, or what stands in for it.
    """
    nvml = nvml or _library()
    try:
        nvml.nvmlInit()
    except (nvml.NVMLError_LibraryNotFound, nvml.NVMLError_DriverNotLoaded):
        return Cards((), NO_DRIVER)
    except nvml.NVMLError as error:
        return Cards((), _refusal(error), is_trouble=True)
    try:
        cards = tuple(_cards(nvml))
        return Cards(cards, f"NVIDIA driver {nvml.nvmlSystemGetDriverVersion()}")
    except nvml.NVMLError as error:
        return Cards((), _refusal(error), is_trouble=True)
    finally:
        nvml.nvmlShutdown()


def _library() -> Any:
    import pynvml  # noqa: PLC0415 - only `init` looks at a machine

    return pynvml


def _refusal(error: Exception) -> str:
    return f"the NVIDIA driver does not answer: {error}; `nvidia-smi` shows whether it works"


def _cards(nvml: Any) -> Iterator[FoundCard]:
    for index in range(nvml.nvmlDeviceGetCount()):
        device = nvml.nvmlDeviceGetHandleByIndex(index)
        card = _card(nvml, device, device, index)
        slices = list(_slices(nvml, device))
        for one in slices:
            yield _card(nvml, one, device, index, slice_of=card.name)
        if not slices:
            yield card


def _card(nvml: Any, device: Any, whole: Any, index: int, slice_of: str = "") -> FoundCard:
    major, minor = nvml.nvmlDeviceGetCudaComputeCapability(whole)
    return FoundCard(
        vendor="nvidia",
        name=str(nvml.nvmlDeviceGetName(device)),
        memory_mib=_memory_mib(nvml, device),
        index=index,
        uuid=str(nvml.nvmlDeviceGetUUID(device)),
        compute_capability=float(f"{major}.{minor}"),
        slice_of=slice_of,
    )


def _memory_mib(nvml: Any, device: Any) -> int:
    try:
        return int(nvml.nvmlDeviceGetMemoryInfo(device).total) // _MIB
    except nvml.NVMLError_NotSupported:
        return 0


def _slices(nvml: Any, device: Any) -> Iterator[Any]:
    """The MIG slices of a card; none where it is not cut, or cannot be."""
    try:
        is_cut = nvml.nvmlDeviceGetMigMode(device)[0] == nvml.NVML_DEVICE_MIG_ENABLE
    except nvml.NVMLError_NotSupported:
        return
    for position in range(nvml.nvmlDeviceGetMaxMigDeviceCount(device) if is_cut else 0):
        try:
            yield nvml.nvmlDeviceGetMigDeviceHandleByIndex(device, position)
        except nvml.NVMLError_NotFound:
            continue
