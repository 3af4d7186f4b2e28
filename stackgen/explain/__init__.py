"""Where values come from: asked by a path or by a line of a file; the merged spec; the profiles there are.

Everything that leaves this room may be seen: secrets that somebody wrote are masked.
"""

from __future__ import annotations

from stackgen.explain.answers import Answer, Beaten, Part
from stackgen.explain.asking import Asked
from stackgen.explain.config import as_json as config_json
from stackgen.explain.config import as_yaml as config_yaml
from stackgen.explain.facts_lines import of_facts
from stackgen.explain.lines import LineAnswer, Text, of_spec
from stackgen.explain.profile_lines import of_profile
from stackgen.explain.profiles import FOLDER, Listed, Told, profiles, sayable, told
from stackgen.explain.rendered import YAML_FILES
from stackgen.explain.rendered_lines import OnDisk, of_another, of_named, of_rendered, of_variables

__all__ = [
    "FOLDER", "YAML_FILES", "Answer", "Asked", "Beaten", "LineAnswer", "Listed", "OnDisk", "Part", "Text",
    "Told", "config_json", "config_yaml", "of_another", "of_facts", "of_named", "of_profile", "of_rendered", "of_spec",
    "of_variables", "profiles", "sayable", "told",
]  # fmt: skip
