"""`plan --solve`: the largest number with which everything fits, and why the next one does not."""

from __future__ import annotations

import pytest
from support import write_spec

from stackgen import sources, verbs
from stackgen.errors import SpecError, StackError

ONE_CARD = """\
version: 1
name: solved
profiles: [nvidia]
gpus: {a0: {card: %s, index: 0}}
models:
  chat: {source: Qwen/Qwen3-8B, engine: vllm, modalities: [chat], concurrency: 1}
"""


def with_context(file, tokens):
    return verbs.open_stack(file, changes=[sources.change_of(f"models.chat.context={tokens}")])


def test_the_number_fits_and_the_next_one_does_not(tmp_path):
    file = write_spec(tmp_path, ONE_CARD % "l4")
    solved = verbs.solve(file, "models.chat.context")
    assert solved.value % 1024 == 0
    assert with_context(file, solved.value).plan.memory == solved.plan.memory
    with pytest.raises(SpecError) as refused:
        with_context(file, solved.value + solved.step)
    assert refused.value.problems[0].message.startswith(solved.limit)
    assert refused.value.problems[0].hint
    assert "chat" in solved.limit


def test_where_not_even_the_least_number_fits_the_refusal_says_what_would(tmp_path):
    file = write_spec(tmp_path, ONE_CARD.replace("Qwen3-8B", "Qwen3-32B") % "l4")
    with pytest.raises(SpecError) as refused:
        verbs.solve(file, "models.chat.context")
    assert "was tried, and fits" in refused.value.problems[0].hint


def test_a_number_that_costs_nothing_has_no_largest(tmp_path):
    with pytest.raises(StackError, match="nothing limits"):
        verbs.solve(write_spec(tmp_path, ONE_CARD % "l4"), "models.chat.limits.weight")
