"""How locks and limits are spelled for Compose."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import pytest
import yaml
from support import SMALL, plan_of

from stackgen import facts
from stackgen.facts import Scratch
from stackgen.parts import Limits
from stackgen.render.compose import compose_file


@pytest.fixture
def rendered(tmp_path):
    """A function that gives the Compose entry of a service with some fields changed."""
    plan = plan_of(tmp_path, SMALL)

    def render(name, **changes):
        services = [replace(service, **changes) if service.name == name else service for service in plan.services]
        text = compose_file(replace(plan, services=tuple(services)), defaultdict(str), "..").text
        return yaml.safe_load(text)["services"][name]

    return render


def test_limits_are_spelled_so_that_every_host_takes_them(rendered):
    entry = rendered("postgres", limits=Limits(memory_gib=2.5, pids=7, cpus=1.5))
    assert (entry["mem_limit"], entry["pids_limit"], entry["cpu_quota"]) == ("2560m", 7, 150_000)
    assert "cpus" not in entry
    assert rendered("postgres", limits=Limits(memory_gib=3.0, pids=7))["mem_limit"] == "3g"


def test_what_is_not_limited_is_not_written(rendered):
    entry = rendered("postgres", limits=Limits(memory_gib=None, pids=7))
    assert not {"mem_limit", "cpu_quota", "cpus", "deploy"} & set(entry)


def test_locks_of_a_service_without_needs(rendered):
    entry = rendered("postgres", capabilities=(), read_only=False, scratch=())
    assert entry["cap_drop"] == ["ALL"]
    assert entry["security_opt"] == ["no-new-privileges:true"]
    assert not {"cap_add", "read_only", "tmpfs"} & set(entry)


def test_scratch_has_its_rights(rendered):
    entry = rendered("postgres", scratch=(Scratch(path="/a"), Scratch(path="/b", mode="1777")))
    assert entry["tmpfs"] == ["/a", "/b:mode=1777"]


def test_no_scratch_where_the_root_can_be_written():
    locks = facts.locks("vllm")
    assert locks.read_only() is True
    assert locks.writable() == locks.scratch != ()
    assert (locks.read_only(on_cards=True), locks.writable(on_cards=True)) == (False, ())
