"""Where values come from: asked by a path or by a line of a file; the merged spec; the profiles there are.

Everything that leaves this room may be seen: secrets that somebody wrote are masked.
"""

from __future__ import annotations

from stackgen.explain.answers import Answer, Beaten, Part
from stackgen.explain.asking import Asked
from stackgen.explain.config import as_json as config_json
from stackgen.explain.config import as_yaml as config_yaml
from stackgen.explain.lines import LineAnswer, OnDisk, of_profile, of_rendered, of_spec
from stackgen.explain.profiles import FOLDER, Listed, Told, profiles, sayable, told
from stackgen.explain.rendered import YAML_FILES

__all__ = [
    "FOLDER", "YAML_FILES", "Answer", "Asked", "Beaten", "LineAnswer", "Listed", "OnDisk", "Part", "Told",
    "config_json", "config_yaml", "of_profile", "of_rendered", "of_spec", "profiles", "sayable", "told",
]  # fmt: skip
