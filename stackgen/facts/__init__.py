"""What is known about the world, as data with sources: cards, models, flags per release, images, texts.

Data files lie beside the modules, one subject each; nothing here decides.
"""

from __future__ import annotations

from stackgen.facts.catalogue import Card, Catalogue, ModelFacts, Variant, cards, models, shipped_catalogue
from stackgen.facts.disk import ImageSize, files_gib, image_size
from stackgen.facts.docker import DockerFailure, compose_service_keys, docker_failures
from stackgen.facts.flags import Flag, FlagTable, flag_table, flag_versions
from stackgen.facts.formats import (
    block_size,
    format_of_method,
    is_unstable_in_float16,
    refused_cache,
    refused_dtype,
    refused_weights,
)
from stackgen.facts.gateway import gateway_mode, gateway_path, gateway_paths, gateway_word
from stackgen.facts.images import Locks, Scratch, StandIns, StandInUser, locks, programs, stand_ins
from stackgen.facts.measured import Measured
from stackgen.facts.memory import (
    Fitted,
    Release,
    cache_number_bytes,
    fitted,
    release_of,
    vllm_memory,
    vllm_release,
    weight_bits,
)
from stackgen.facts.memory_lines import MemoryLines, memory_lines, tolerance_percent
from stackgen.facts.needs import FOLDER as FACTS_FOLDER
from stackgen.facts.needs import command_to_add, file_of, how_to_declare, kinds, lacking, to_fill_in
from stackgen.facts.planning import Margins, margins
from stackgen.facts.speech import speech_text, speech_texts, spoken_numbers
from stackgen.facts.starting import StartTimes, start_times
from stackgen.facts.weak import guessable, placeholder, shortest_secret

__all__ = [
    "FACTS_FOLDER",
    "Card",
    "Catalogue",
    "DockerFailure",
    "Fitted",
    "Flag",
    "FlagTable",
    "ImageSize",
    "Locks",
    "Margins",
    "Measured",
    "MemoryLines",
    "ModelFacts",
    "Release",
    "Scratch",
    "StandInUser",
    "StandIns",
    "StartTimes",
    "Variant",
    "block_size",
    "cache_number_bytes",
    "cards",
    "command_to_add",
    "compose_service_keys",
    "docker_failures",
    "file_of",
    "files_gib",
    "fitted",
    "flag_table",
    "flag_versions",
    "format_of_method",
    "gateway_mode",
    "gateway_path",
    "gateway_paths",
    "gateway_word",
    "guessable",
    "how_to_declare",
    "image_size",
    "is_unstable_in_float16",
    "kinds",
    "lacking",
    "locks",
    "margins",
    "memory_lines",
    "models",
    "placeholder",
    "programs",
    "refused_cache",
    "refused_dtype",
    "refused_weights",
    "release_of",
    "shipped_catalogue",
    "shortest_secret",
    "speech_text",
    "speech_texts",
    "spoken_numbers",
    "stand_ins",
    "start_times",
    "to_fill_in",
    "tolerance_percent",
    "vllm_memory",
    "vllm_release",
    "weight_bits",
]
