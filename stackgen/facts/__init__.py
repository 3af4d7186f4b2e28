"""What is known about the world, as data with sources: cards, models, flags per release, images, texts.

Data files lie beside the modules, one subject each; nothing here decides.
"""

from __future__ import annotations

from stackgen.facts.catalogue import Card, ModelFacts, cards, models
from stackgen.facts.docker import DockerFailure, compose_service_keys, docker_failures
from stackgen.facts.flags import Flag, FlagTable, flag_table, flag_versions
from stackgen.facts.gateway import gateway_mode, gateway_path, gateway_paths, gateway_word
from stackgen.facts.images import Locks, Scratch, StandIns, StandInUser, locks, programs, stand_ins
from stackgen.facts.speech import speech_text, speech_texts, spoken_numbers

__all__ = [
    "Card",
    "DockerFailure",
    "Flag",
    "FlagTable",
    "Locks",
    "ModelFacts",
    "Scratch",
    "StandInUser",
    "StandIns",
    "cards",
    "compose_service_keys",
    "docker_failures",
    "flag_table",
    "flag_versions",
    "gateway_mode",
    "gateway_path",
    "gateway_paths",
    "gateway_word",
    "locks",
    "models",
    "programs",
    "speech_text",
    "speech_texts",
    "spoken_numbers",
    "stand_ins",
]
