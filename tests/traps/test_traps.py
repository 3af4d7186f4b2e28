"""84 mistakes of stacks that people copy: each render check is silent on what stackgen renders, and speaks on the original.

`map.yaml` says what keeps each mistake out. `article/` is a published stack with its mistakes, `mended/` the same stack as
it should be, `crooked.yaml` has the mistakes that the article does not make.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from support import GOLDEN, REFUSED, TESTS
from traps.checks import CHECKS
from traps.stack import Stack, read

HERE = Path(__file__).resolve().parent
MAP = yaml.safe_load((HERE / "map.yaml").read_text("utf-8"))
CROOKED = yaml.safe_load((HERE / "crooked.yaml").read_text("utf-8"))
ARTICLE, MENDED = read(HERE / "article"), read(HERE / "mended")
GOLDENS = {path.name: read(path) for path in sorted(GOLDEN.iterdir()) if path.name not in REFUSED}
SPEAKING = [name for name in CHECKS if name not in CROOKED]
COMPLAINTS = HERE / "complaints.txt"


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("golden", GOLDENS)
def test_a_check_is_silent_on_a_render(golden, name):
    assert list(CHECKS[name](GOLDENS[golden])) == []


@pytest.mark.parametrize("name", SPEAKING)
def test_a_check_speaks_on_the_article(name):
    assert list(CHECKS[name](ARTICLE))


def test_what_the_checks_say_about_the_article(request):
    text = "".join(f"{name}  {complaint}\n" for name in SPEAKING for complaint in CHECKS[name](ARTICLE))
    if request.config.getoption("--update-golden"):
        COMPLAINTS.write_text(text, encoding="utf-8")
    assert COMPLAINTS.read_text("utf-8") == text


@pytest.mark.parametrize("mistake", CROOKED)
def test_a_check_speaks_on_mistakes_that_the_article_does_not_make(mistake):
    entry, name = CROOKED[mistake], mistake.split()[0]
    stack = Stack(entry.get("compose", {}), entry.get("gateway", {}), entry.get("files", {}))
    said = list(CHECKS[name](stack))
    assert any(entry["says"] in complaint for complaint in said), said
    assert not any(entry["says"] in complaint for complaint in CHECKS[name](ARTICLE))


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_is_silent_on_the_mended_article_and_finds_its_subject_there(name):
    assert list(CHECKS[name].subjects(MENDED))
    assert list(CHECKS[name](MENDED)) == []


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_finds_its_subject_in_a_golden(name):
    assert any(list(CHECKS[name].subjects(stack)) for stack in GOLDENS.values())


def test_the_map_has_every_trap_and_says_how_it_is_kept_out():
    assert list(MAP) == list(range(1, 85))
    for number, entry in MAP.items():
        assert entry["title"], number
        assert {"title"} < set(entry) <= {"title", "test", "preflight", "later", "not_ours"}, number
        assert all(entry[key] for key in entry), number


def test_the_map_and_the_checks_name_each_other():
    named = [name for entry in MAP.values() for name in entry.get("test", ())]
    assert sorted(named) == sorted(CHECKS)
    for number, entry in MAP.items():
        assert all(name.split("_")[1] == str(number) for name in entry.get("test", ())), number


def test_a_refusal_that_the_map_calls_existing_is_proven_by_a_test():
    for number, entry in MAP.items():
        refusal = entry.get("preflight")
        if refusal is None:
            continue
        assert set(refusal) in ({"planned"}, {"existing", "proof"}), number
        if "proof" in refusal:
            file, _, test = refusal["proof"].partition("::")
            assert re.search(rf"^def {test}\(", (TESTS / file).read_text("utf-8"), re.MULTILINE), number


def test_more_than_half_of_the_traps_are_seen_in_the_article():
    seen = {number for number, entry in MAP.items() for name in entry.get("test", ()) if name in SPEAKING}
    assert len(seen) >= 45
