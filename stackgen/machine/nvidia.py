"""NVIDIA cards, as their driver's library (NVML) tells them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    capability = _supported(nvml, lambda: nvml.nvmlDeviceGetCudaComputeCapability(whole))
    memory = _supported(
        nvml, lambda: nvml.nvmlDeviceGetMemoryInfo(device)
    )  # none where the processor shares its memory
    return FoundCard(
        vendor="nvidia",
        name=str(nvml.nvmlDeviceGetName(device)),
        memory_mib=int(memory.total) // _MIB if memory else 0,
        free_mib=int(memory.free) // _MIB if memory else None,
        index=index,
        uuid=str(_supported(nvml, lambda: nvml.nvmlDeviceGetUUID(device)) or ""),
        compute_capability=float("{}.{}".format(*capability)) if capability else None,
        slice_of=slice_of,
    )


def _supported(nvml: Any, ask: Callable[[], Any]) -> Any:
    """An answer; None where this card, or this driver, has none."""
    try:
        return ask()
    except nvml.NVMLError_NotSupported:
        return None


def _slices(nvml: Any, device: Any) -> Iterator[Any]:
    """The MIG slices of a card; none where it is not cut, or cannot be."""
    mode = _supported(nvml, lambda: nvml.nvmlDeviceGetMigMode(device))
    is_cut = mode is not None and mode[0] == nvml.NVML_DEVICE_MIG_ENABLE
    for position in range(nvml.nvmlDeviceGetMaxMigDeviceCount(device) if is_cut else 0):
        try:
            yield nvml.nvmlDeviceGetMigDeviceHandleByIndex(device, position)
        except nvml.NVMLError_NotFound:
            continue
