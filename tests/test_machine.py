"""A look at a machine: what drivers answer becomes cards, and what they do not answer becomes a word about it."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from types import SimpleNamespace

import pytest

from stackgen import facts
from stackgen import machine as looking
from stackgen.draft import identified
from stackgen.facts import files
from stackgen.facts.proposals import reported_names
from stackgen.machine import FoundCard, nvidia, rocm

MIB = 2**20


class RefusalError(Exception):
    """NVMLError."""


class NoLibraryError(RefusalError):
    """The driver is not installed."""


class NotLoadedError(RefusalError):
    """It is installed, and its kernel module is not there."""


class NotSupportedError(RefusalError):
    """The card cannot say this."""


class NotFoundError(RefusalError):
    """There is nothing at this number."""


def card(name, mib, capability=(8, 9), uuid="GPU-8a1c0000", slices=None, free=None):
    free = mib if free is None else free
    return SimpleNamespace(name=name, mib=mib, free=free, capability=capability, uuid=uuid, slices=slices)


def part(name, mib, uuid):
    return SimpleNamespace(name=name, mib=mib, free=mib, uuid=uuid)


def supported(answer):
    if answer is None:
        raise NotSupportedError("Not Supported")
    return answer


def driver(*cards, refusal=None):
    """The functions of pynvml that are asked, with the answers of these cards."""
    opened = []

    def start():
        if refusal:
            raise refusal
        opened.append(1)

    def memory(device):
        if not device.mib:
            raise NotSupportedError("Not Supported")
        return SimpleNamespace(total=device.mib * MIB, free=device.free * MIB)

    def mig_mode(device):
        return [1, 1] if supported(device.slices) else [0, 0]

    def slice_at(device, position):
        found = device.slices[position] if position < len(device.slices) else None
        if found is None:
            raise NotFoundError("Not Found")
        return found

    return SimpleNamespace(
        NVMLError=RefusalError,
        NVMLError_LibraryNotFound=NoLibraryError,
        NVMLError_DriverNotLoaded=NotLoadedError,
        NVMLError_NotSupported=NotSupportedError,
        NVMLError_NotFound=NotFoundError,
        NVML_DEVICE_MIG_ENABLE=1,
        nvmlInit=start,
        nvmlShutdown=opened.clear,
        opened=opened,
        nvmlSystemGetDriverVersion=lambda: "580.126.09",
        nvmlDeviceGetCount=lambda: len(cards),
        nvmlDeviceGetHandleByIndex=lambda index: cards[index],
        nvmlDeviceGetName=lambda device: device.name,
        nvmlDeviceGetUUID=lambda device: device.uuid,
        nvmlDeviceGetCudaComputeCapability=lambda device: supported(device.capability),
        nvmlDeviceGetMemoryInfo=memory,
        nvmlDeviceGetMigMode=mig_mode,
        nvmlDeviceGetMaxMigDeviceCount=lambda _: 7,
        nvmlDeviceGetMigDeviceHandleByIndex=slice_at,
    )


def of_catalogue(*found):
    return [one.card.id for one in identified(found, facts.cards()).cards]


@pytest.mark.parametrize(
    ("name", "mib", "identifier"),
    [
        ("Tesla T4", 15360, "t4"),
        ("Tesla V100-SXM2-32GB", 32768, "v100-32gb"),
        ("NVIDIA GeForce RTX 3060", 12288, "rtx-3060-12gb"),
        ("NVIDIA GeForce RTX 4060", 8188, "rtx-4060"),
        ("NVIDIA GeForce RTX 4090", 24564, "rtx-4090"),
        ("NVIDIA L4", 23034, "l4"),
        ("NVIDIA A40", 49140, "a40"),
        ("NVIDIA A100-SXM4-40GB", 40960, "a100-40gb"),
        ("NVIDIA A100-SXM4-80GB", 81920, "a100-80gb"),
        ("NVIDIA A100 80GB PCIe", 81920, "a100-80gb"),
        ("NVIDIA GH200 120GB", 97871, "gh200-96gb"),
        ("NVIDIA B300 SXM6 AC", 275040, "b300"),
        ("NVIDIA H100 80GB HBM3", 81559, "h100-80gb"),
        ("NVIDIA H100 NVL", 95830, "h100-nvl-94gb"),
        ("NVIDIA H200", 143771, "h200"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", 97887, "rtx-pro-6000-blackwell"),
        ("NVIDIA GB10", 0, "dgx-spark-gb10"),
    ],
)
def test_a_card_is_known_by_the_name_that_its_driver_gives(name, mib, identifier):
    found = nvidia.look(driver(card(name, mib)))
    assert of_catalogue(*found.cards) == [identifier]
    assert found.note == "NVIDIA driver 580.126.09"


@pytest.mark.parametrize(
    ("name", "mib"),
    [
        ("NVIDIA GeForce RTX 3060", 8192),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", 16376),
        ("NVIDIA GeForce RTX 2080 Ti", 11264),
    ],
)
def test_a_name_with_another_memory_is_another_card(name, mib):
    (identifier,) = of_catalogue(FoundCard(vendor="nvidia", name=name, memory_mib=mib, index=0, uuid="GPU-8a1c0000"))
    assert identifier not in facts.cards()


def test_what_one_card_cannot_say_hides_neither_it_nor_the_others():
    found = nvidia.look(driver(card("Tesla K80", 11441, capability=None), card("NVIDIA L4", 23034)))
    assert [(one.name, one.compute_capability) for one in found.cards] == [("Tesla K80", None), ("NVIDIA L4", 8.9)]
    assert not found.is_trouble


def test_every_name_belongs_to_a_card_of_its_maker():
    for row in reported_names():
        known = facts.cards()[row.card]
        assert (known.vendor == "amd") == row.name.startswith(("AMD", "gfx")), row


def test_cards_keep_their_order_and_their_uuids():
    answers = driver(card("NVIDIA L4", 23034, uuid="GPU-aaaaaaaa-1"), card("NVIDIA L4", 23034, uuid="GPU-bbbbbbbb-2"))
    inventory = identified(nvidia.look(answers).cards, facts.cards())
    assert [(one.id, one.uuid, one.index) for one in inventory.cards] == [
        ("g0", "GPU-aaaaaaaa-1", None),
        ("g1", "GPU-bbbbbbbb-2", None),
    ]
    assert not answers.opened


def test_slices_stand_in_the_place_of_the_card_that_is_cut():
    whole = "NVIDIA A100-SXM4-80GB"
    cut = card(
        whole,
        81920,
        (8, 0),
        slices=[part(f"{whole} MIG 3g.40gb", 40192, "MIG-1"), None, part("MIG 1g.10gb", 9728, "MIG-2")],
    )
    found = nvidia.look(driver(cut, card(whole, 81920, (8, 0), uuid="GPU-whole", slices=[])))
    inventory = identified(found.cards, facts.cards())
    assert [(one.card.id, one.uuid) for one in inventory.cards] == [
        ("a100-80gb-mig-3g.40gb", "MIG-1"),
        ("a100-80gb-mig-1g.10gb", "MIG-2"),
        ("a100-80gb", "GPU-whole"),
    ]


def test_a_slice_that_nobody_knows_is_left_out_and_named():
    cut = card("NVIDIA H20", 97871, (9, 0), slices=[part("NVIDIA H20 MIG 1g.12gb", 12160, "MIG-1")])
    inventory = identified(nvidia.look(driver(cut)).cards, facts.cards())
    assert inventory.cards == ()
    assert "NVIDIA H20 MIG 1g.12gb, 11.9 GiB is left out" in inventory.notes[0]


@pytest.mark.parametrize("refusal", [NoLibraryError("x"), NotLoadedError("y")])
def test_no_driver_is_no_trouble(refusal):
    found = nvidia.look(driver(refusal=refusal))
    assert (found.cards, found.note, found.is_trouble) == ((), "no NVIDIA driver found", False)


def test_a_driver_that_refuses_is_told_as_trouble():
    found = nvidia.look(driver(refusal=RefusalError("Driver/library version mismatch")))
    assert found.is_trouble
    assert "Driver/library version mismatch; `nvidia-smi` shows" in found.note


def test_a_card_that_falls_off_while_it_is_asked_is_trouble_and_the_library_is_closed():
    answers = driver(card("NVIDIA L4", 23034))

    def lost(_):
        raise RefusalError("GPU is lost")

    answers.nvmlDeviceGetUUID = lost
    found = nvidia.look(answers)
    assert found.is_trouble
    assert "GPU is lost" in found.note
    assert not answers.opened


# amd-smi static --asic --vram --json: the forms that public files show of ROCm 6 (a list) and ROCm 7 and later
AMD_CARD = {
    "gpu": 0,
    "asic": {
        "market_name": "AMD Instinct MI300X",
        "vendor_id": "0x1002",
        "vendor_name": "Advanced Micro Devices Inc. [AMD/ATI]",
        "device_id": "0x74a1",
        "num_compute_units": 304,
        "target_graphics_version": "gfx942",
    },
    "vram": {"type": "HBM3", "vendor": "N/A", "size": {"value": 196592, "unit": "MB"}},
}
# rocm-smi --showproductname --showmeminfo vram --json
ROCM_CARDS = {
    "card1": {
        "VRAM Total Memory (B)": "206141652992",
        "VRAM Total Used Memory (B)": "297250816",
        "Card Series": "AMD Instinct MI300X",
        "Card Model": "0x74a1",
        "GFX Version": "gfx942",
    },
    "system": {"Driver version": "6.7.0"},
}


def tool(**answers):
    return lambda command: (
        json.dumps(answers[command[0].replace("-", "_")]) if command[0].replace("-", "_") in answers else None
    )


@pytest.mark.parametrize("answer", [[AMD_CARD], {"gpu_data": [AMD_CARD]}])
def test_amd_smi_tells_cards_in_both_forms(answer):
    found = rocm.look(tool(amd_smi=answer))
    (one,) = found.cards
    assert (one.vendor, one.index, one.memory_mib, one.graphics_version) == ("amd", 0, 196592, "gfx942")
    assert of_catalogue(one) == ["mi300x"]


@pytest.mark.parametrize(
    ("size", "mib"), [("16368 MB", 16368), ({"value": 34359738368, "unit": "B"}, 32768), ("24 GB", 24576)]
)
def test_sizes_of_amd_smi_are_read_in_every_unit(size, mib):
    (one,) = rocm.look(tool(amd_smi=[{**AMD_CARD, "vram": {"size": size}}])).cards
    assert one.memory_mib == mib


def test_rocm_smi_answers_where_the_newer_tool_is_not_there():
    found = rocm.look(tool(rocm_smi=ROCM_CARDS))
    assert found.note == "ROCm: rocm-smi"
    assert [(one.name, one.index, one.memory_mib) for one in found.cards] == [("AMD Instinct MI300X", 1, 196592)]


def test_a_card_without_a_market_name_is_known_by_its_processor():
    nameless = {**AMD_CARD, "asic": {"market_name": "N/A", "target_graphics_version": "gfx1151"}}
    assert of_catalogue(*rocm.look(tool(amd_smi=[nameless])).cards) == ["strix-halo-gfx1151"]


@pytest.mark.parametrize(
    "answer", [{"gpu_data": [{"gpu": 0}]}, [1], "text", {"gpu_data": None}, [{**AMD_CARD, "vram": {"size": "N/A"}}]]
)
def test_an_answer_in_another_form_is_told_and_breaks_nothing(answer):
    found = rocm.look(tool(amd_smi=answer))
    assert found.is_trouble
    assert "amd-smi static" in found.note


def test_no_tool_of_rocm_is_no_trouble():
    found = rocm.look(lambda _: None)
    assert (found.cards, found.note, found.is_trouble) == ((), "no ROCm tool found", False)


@pytest.mark.parametrize("said", [{"market_name": None}, {"market_name": "  "}, {"market_name": " n/a "}, {}])
def test_what_a_tool_does_not_know_is_no_name(said):
    nameless = {**AMD_CARD, "asic": {**said, "target_graphics_version": " gfx1151 "}}
    (one,) = rocm.look(tool(amd_smi=[nameless])).cards
    assert (one.name, one.graphics_version) == ("gfx1151", "gfx1151")
    (one,) = rocm.look(tool(amd_smi=[{**AMD_CARD, "asic": said}])).cards
    assert (one.name, one.graphics_version) == ("AMD card", "")


@pytest.mark.parametrize(
    ("newer", "older", "note", "count"),
    [
        (f"echo '{json.dumps([AMD_CARD])}'", "exit 1", "ROCm: amd-smi", 1),
        (f"echo '{json.dumps([AMD_CARD])}'; exit 1", f"echo '{json.dumps(ROCM_CARDS)}'", "ROCm: rocm-smi", 1),
        ("echo", f"echo '{json.dumps(ROCM_CARDS)}'", "ROCm: rocm-smi", 1),
        (None, f"echo '{json.dumps(ROCM_CARDS)}'", "ROCm: rocm-smi", 1),
        (None, None, "no ROCm tool found", 0),
    ],
)
def test_a_tool_counts_where_it_is_there_and_ends_well_with_an_answer(tmp_path, monkeypatch, newer, older, note, count):
    for name, does in (("amd-smi", newer), ("rocm-smi", older)):
        if does is not None:
            (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
            (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = rocm.look()
    assert (found.note, len(found.cards), found.is_trouble) == (note, count, False)


def test_all_that_a_driver_says_of_a_card_is_kept():
    found = nvidia.look(driver(card("NVIDIA L4", 23034, capability=(12, 1), uuid="GPU-1"), card("NVIDIA GB10", 0)))
    one = FoundCard(vendor="nvidia", name="NVIDIA L4", memory_mib=23034, index=0, uuid="GPU-1", compute_capability=12.1)
    other = FoundCard(
        vendor="nvidia", name="NVIDIA GB10", memory_mib=0, index=1, uuid="GPU-8a1c0000", compute_capability=8.9
    )
    assert [replace(each, **unmeasured(each)) for each in found.cards] == [one, other]


def unmeasured(found):
    """What depends on the moment, as where nobody asked for it."""
    return {field.name: field.default for field in fields(found) if field.name.startswith("free")}


def test_a_look_at_this_machine_finds_its_memory_and_its_disk_also_for_a_folder_that_is_not_there(tmp_path):
    found = looking.look(tmp_path / "not" / "yet")
    assert found.memory_gib > 0.1
    assert found.processors >= 1
    assert found.disk_free_gib > 0
    assert bool(found.cards) or any("found" in note for note in (*found.notes, *found.troubles))


def test_a_card_that_nobody_knows_gets_facts_of_its_own():
    found = FoundCard(
        vendor="nvidia",
        name="NVIDIA GeForce RTX 6090",
        memory_mib=49152,
        index=0,
        uuid="GPU-8a1c0000",
        compute_capability=12.0,
    )
    inventory = identified([found, found], facts.cards())
    assert [one.card.id for one in inventory.cards] == ["rtx-6090-48gb"] * 2
    (entry,) = inventory.new.values()
    assert entry["name"] == "NVIDIA GeForce RTX 6090"
    assert 0.94 * 48 < entry["visible_gib"] < 48
    made = inventory.cards[0].card
    assert made.fp4
    assert made.is_estimate
    assert len(inventory.notes) == 1


@pytest.mark.parametrize(
    ("name", "mib", "share_of", "words"),
    [
        ("NVIDIA GeForce RTX 4090 D", 24564, "rtx-4090", "as RTX 4090 of that memory shows"),
        ("NVIDIA GeForce RTX 3090 Ti", 24564, "rtx-3090", "as RTX 3090 of that memory shows"),
        ("NVIDIA A100-SXM-80GB", 81251, "a100-80gb", "as A100 80GB of that memory shows"),
        ("NVIDIA H800 PCIe", 81559, "a100-80gb", "the least that a known card of about that memory shows: A100 80GB"),
        ("NVIDIA GeForce GTX 1060 3GB", 3072, "rtx-4060", "the least that a known card shows: RTX 4060"),
    ],
)
def test_the_memory_of_an_unknown_card_is_estimated_by_words_and_memory(name, mib, share_of, words):
    found = FoundCard(vendor="nvidia", name=name, memory_mib=mib, index=0, uuid="GPU-8a1c0000", compute_capability=8.6)
    inventory = identified([found], facts.cards())
    (entry,) = inventory.new.values()
    known = facts.cards()[share_of]
    assert entry["visible_gib"] == pytest.approx(mib / 1024 * known.visible_gib * 1024 / known.nvidia_smi_mib, abs=0.01)
    assert words in entry["source"]
    assert inventory.cards[0].card.is_estimate
    assert f"an estimate of {entry['visible_gib']:.4g} GiB for programs" in inventory.notes[0]


def test_an_unknown_card_of_amd_is_estimated_too():
    radeon = {
        **AMD_CARD,
        "asic": {"market_name": "AMD Radeon RX 7900 XTX", "target_graphics_version": "gfx1100"},
        "vram": {"size": {"value": 24560, "unit": "MB"}},
    }
    inventory = identified(rocm.look(tool(amd_smi=[radeon])).cards, facts.cards())
    (entry,) = inventory.new.values()
    assert (entry["vendor"], entry["name"]) == ("amd", "AMD Radeon RX 7900 XTX")
    assert 0.94 * 24560 / 1024 < entry["visible_gib"] < 24560 / 1024
    assert inventory.cards[0].card.is_estimate


def test_a_card_that_others_use_is_told_with_what_they_hold():
    busy = driver(card("NVIDIA L4", 23034, free=12288), card("NVIDIA L4", 23034, uuid="GPU-bbbbbbbb-2", free=22300))
    inventory = identified(nvidia.look(busy).cards, facts.cards())
    assert len(inventory.notes) == 1
    assert (
        "programs that run now hold 10.0 GiB of g0, L4; the plan takes the card as if it were empty"
        in inventory.notes[0]
    )


def test_what_others_hold_of_a_card_of_amd_is_read_where_its_tool_says_it():
    held = {"card0": {**ROCM_CARDS["card1"], "VRAM Total Used Memory (B)": str(40 * 2**30)}}
    inventory = identified(rocm.look(tool(rocm_smi=held)).cards, facts.cards())
    assert "hold 39.7 GiB of g0, MI300X" in inventory.notes[0]


def test_names_of_drivers_tell_where_they_were_seen():
    rows = files.rows("card_names.csv")
    assert len({row["reported_name"] for row in rows}) == len(rows)
    assert all(row["source"] and "recalled" not in row["source"] for row in rows)


def test_a_card_of_which_nobody_knows_the_memory_is_left_out():
    inventory = identified([FoundCard(vendor="nvidia", name="NVIDIA N1X", memory_mib=0, index=0)], facts.cards())
    assert inventory.cards == ()
    assert "nobody knows its memory" in inventory.notes[0]
