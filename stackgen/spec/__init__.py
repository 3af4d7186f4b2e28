"""The words of stack.yaml and of profiles. Strict: unknown keys and wrong types are errors.

Engine words do not live here: `options` of a model is checked by the engine's own `Options`.
No unions and no tagged types: the path of a value in the file and in the model is the same, so errors find their line.
The words of facts files are in `facts_file`, which few stacks have.
"""

from __future__ import annotations

from stackgen.spec.gateway import Allowance, Gateway, GatewayDefaults, Key, PassThrough, Team
from stackgen.spec.image import Build, ImageChoice, Pin
from stackgen.spec.model import Endpoint, Generation, Limits, Model, ModelDefaults, Overrides, Publish
from stackgen.spec.profile import Profile
from stackgen.spec.stack import ACCELERATORS, ExtraService, Gpu, Group, Network, Place, SecretSetting, Spec
from stackgen.spec.words import GATEWAY_ENVIRONMENT_REFERENCE, SIMULATION_SUFFIX, Strict, Word, control_complaint

__all__ = [
    "ACCELERATORS", "GATEWAY_ENVIRONMENT_REFERENCE", "SIMULATION_SUFFIX", "Allowance", "Build", "Endpoint",
    "ExtraService", "Gateway", "GatewayDefaults", "Generation", "Gpu", "Group", "ImageChoice", "Key", "Limits", "Model",
    "ModelDefaults", "Network", "Overrides", "PassThrough", "Pin", "Place", "Profile", "Publish", "SecretSetting", "Spec",
    "Strict", "Team", "Word", "control_complaint",
]  # fmt: skip
