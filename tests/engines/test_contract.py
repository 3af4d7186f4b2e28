"""What every engine promises, for each that is registered."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
from dataclasses import replace

import pytest
from engine_samples import SAMPLES
from hypothesis import given, settings
from hypothesis import strategies as st
from support import EXAMPLES, REFUSED, TESTS

from stackgen import facts, sources
from stackgen import plan as planning
from stackgen.backing import SECRETS, services
from stackgen.engines import ENGINES
from stackgen.errors import Place
from stackgen.modalities import MODALITIES
from stackgen.parts import Arg, Gpu, Image, Instance, Limits, ServedModel, service_url
from stackgen.resources import shipped
from stackgen.sources import Layer, Origin
from stackgen.spec import Model, Pin

WITH_FLAGS = [engine for engine in ENGINES.values() if engine.flags]
"""Engines that are told their settings by a command line; the others by variables."""


def image(family, version="1.0"):
    pin = Pin(repository=f"example/{family}", tag="v1", version=version, evidence="test")
    return Image.chosen(family, pin, "", Origin(Layer.PROFILE, Place("profiles/x.yaml", 1, 1)))


def instance(engine, *, context=None, options=None, gpus=()):
    modalities = tuple(sorted(engine.modalities))
    settings_ = {"context": context, "concurrency": 4 if "concurrency" in engine.fields else None}
    model = Model(source=SAMPLES[engine.name].source, engine=engine.name, modalities=modalities, **settings_)
    served = ServedModel(
        id="one", model=model, options=engine.options.model_validate(options or {}), known=facts.models()[model.source]
    )
    return Instance(
        name=f"{engine.name}-one",
        engine=engine.name,
        models=(served,),
        image=image(engine.name, SAMPLES[engine.name].version),
        gpus=gpus,
        python=image("python", "3.13") if engine.fetches else None,
    )


def server(engine, **settings_):
    """The engine's own service, without its jobs."""
    built = instance(engine, **settings_)
    return next(service for service in engine.services(built) if service.name == built.name)


def card(name="a100-80gb"):
    return Gpu(id="a0", card=facts.cards()[name], device="0")


each_engine = pytest.mark.parametrize("engine", ENGINES.values(), ids=lambda engine: engine.name)


with_flags = pytest.mark.parametrize("engine", WITH_FLAGS, ids=lambda engine: engine.name)


def test_every_engine_has_its_row_among_the_samples():
    assert sorted(SAMPLES) == sorted(ENGINES)


@each_engine
def test_an_engine_is_the_last_line_of_the_file_of_its_name(engine):
    assert importlib.import_module(f"stackgen.engines.{engine.name}").ENGINE is engine


def test_no_engine_may_import_another():
    contracts = tomllib.loads((TESTS.parent / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (apart,) = (contract["modules"] for contract in contracts if contract["type"] == "independence")
    assert sorted(apart) == sorted(f"stackgen.engines.{name}" for name in ENGINES)


@each_engine
def test_every_engine_has_a_stand_in_with_its_flags(engine):
    stand_ins = facts.stand_ins()
    assert engine.name in stand_ins.engines
    assert not engine.flags or f"{engine.name}_flags.json" in stand_ins.data
    module = importlib.import_module(f"stackgen.simulators.{engine.name}")
    assert callable(module.door)
    assert module.OUT_OF_MEMORY


@pytest.mark.parametrize("name", [engine.name for engine in ENGINES.values() if engine.fetches])
def test_the_job_that_fetches_models_knows_the_engine(name):
    script = shipped("templates") / "fetch.py"
    words = [sys.executable, script, name, "http://127.0.0.1:1", " "]
    said = subprocess.run(words, capture_output=True, text=True, check=False).stderr
    assert said == "fetch.py: not a name of a model: ' '\n"


@each_engine
def test_every_option_is_filled(engine):
    assert set(engine.options.model_fields) == set(SAMPLES[engine.name].options)
    assert engine.process_options <= set(engine.options.model_fields)


@with_flags
def test_every_flag_exists_in_the_pinned_release(engine):
    table = facts.flag_table(engine.name, SAMPLES[engine.name].version)
    assert set(engine.flags) <= set(table.flags)
    assert {flag for flag in engine.own_flags if flag != "--model"} <= set(table.flags)
    for gpus in ((), (card(),)):
        service = server(engine, options=SAMPLES[engine.name].options, gpus=gpus)
        used = [arg.value for arg in service.command if isinstance(arg.value, str) and arg.value.startswith("--")]
        assert used
        assert set(used) <= set(table.flags), set(used) - set(table.flags)


@each_engine
def test_every_flag_stands_for_a_setting(engine):
    served = instance(engine, options=SAMPLES[engine.name].options).models[0]
    for setting in engine.flags.values():
        served.value(setting)


@with_flags
def test_values_of_options_are_choices_of_the_flag(engine):
    table = facts.flag_table(engine.name, SAMPLES[engine.name].version)
    schema = engine.options.model_json_schema()["properties"]
    for flag, setting in engine.flags.items():
        option = setting.removeprefix("options.")
        allowed = re.findall(r"'enum': \[([^]]*)\]", str(schema.get(option, {})))
        if allowed and table.flags[flag].choices:
            assert set(re.findall(r"'([^']+)'", allowed[0])) <= set(table.flags[flag].choices)


@each_engine
def test_a_routes_url_names_the_service_and_reaches_its_endpoint(engine):
    built = instance(engine)
    services_ = {service.name: service for service in engine.services(built)}
    routes = engine.routes(built)
    assert {route.modality for route in routes} == engine.modalities
    for route in routes:
        ports = {port.container for port in services_[route.service].ports}
        assert route.port in ports
        assert not route.base_path.endswith("/")
        appended = facts.gateway_path(route.provider, route.modality)
        base = service_url(route.service, route.port, route.base_path)
        assert base + appended == service_url(route.service, route.port, route.endpoint)
        assert route.key is None or route.key in engine.secrets


@each_engine
def test_health_uses_a_program_that_the_image_has_in_list_form(engine):
    service = server(engine)
    assert service.health.command[0] in facts.programs(engine.name)
    assert len(service.health.command) > 1
    if service.health.command[0] != engine.name:  # its own program knows the port
        assert str(service.ports[0].container) in " ".join(service.health.command)


@each_engine
def test_a_job_fetches_exactly_the_models_and_nothing_waits_for_it(engine):
    built = instance(engine)
    jobs = [service for service in engine.services(built) if service.job]
    assert bool(jobs) == engine.fetches
    for job in jobs:
        words = [arg.value for arg in job.command]
        assert words[0] in facts.programs("python")
        assert words[2:] == [engine.name, service_url(built.name, engine.port), built.models[0].model.source]
        assert [(need.service, need.required) for need in job.needs] == [(built.name, False)]
        assert set(job.secrets()) <= set(engine.secrets)


def test_health_of_backing_services_uses_programs_that_their_images_have():
    spec = sources.load(EXAMPLES / "article-core").spec
    for service in services(spec, (), {}, image):
        assert service.health.command[0] in facts.programs(service.name)
        assert {secret.name for secret in service.secrets()} <= {secret.name for secret in SECRETS}


@each_engine
@settings(max_examples=60, deadline=None)
@given(small=st.integers(16, 200_000), more=st.integers(0, 200_000))
def test_need_never_falls_as_context_grows(engine, small, more):
    if "context" not in engine.fields:
        small = more = None
    first = engine.need(instance(engine, context=small), card().card, 1)
    second = engine.need(instance(engine, context=small if small is None else small + more), card().card, 1)
    assert second.total_gib >= first.total_gib > 0


@each_engine
@settings(max_examples=40, deadline=None)
@given(concurrency=st.integers(1, 512), more=st.integers(0, 512))
def test_what_is_wanted_never_falls_as_requests_grow_and_is_never_less_than_a_start(engine, concurrency, more):
    if "concurrency" not in engine.fields:
        more = 0
    few, many = (engine.need(busy(engine, count), card().card, 1) for count in (concurrency, concurrency + more))
    assert few.cache_wanted_gib >= few.cache_gib
    assert many.wanted_gib >= few.wanted_gib >= few.total_gib
    assert many.total_gib >= few.total_gib


def busy(engine, count):
    built = instance(engine, context=8192 if "context" in engine.fields else None)
    if "concurrency" not in engine.fields:
        return built
    (served,) = built.models
    model = served.model.model_copy(update={"concurrency": count})
    return replace(built, models=(replace(served, model=model),))


@each_engine
def test_a_cache_holds_what_it_was_sized_for(engine):
    built = instance(engine, context=8192 if "context" in engine.fields else None)
    need = engine.need(built, card().card, 1)
    held = engine.holds(built, card().card, 1, need.cache_wanted_gib)
    if not need.cache_gib:
        assert held is None
        return
    assert held.requests == pytest.approx(4, rel=0.01)
    assert held.tokens == pytest.approx(4 * 8192, rel=0.01)
    assert engine.holds(built, card().card, 1, 2 * need.cache_wanted_gib).requests == pytest.approx(8, rel=0.01)


@each_engine
def test_no_card_of_the_newest_kind_is_refused(engine):
    assert engine.refusal(instance(engine), card("b200").card, 1) is None


@pytest.mark.parametrize(
    ("name", "options", "of", "words"),
    [
        ("vllm", {"dtype": "bfloat16"}, "t4", "bfloat16"),
        ("vllm", {"dtype": "bfloat16"}, "a10g", None),
        ("vllm", {"quantization": "fp8"}, "t4", "fp8"),
        ("vllm", {"quantization": "fp8"}, "a10g", None),
        ("vllm", {"quantization": "awq"}, "v100-32gb", "awq4"),
        ("vllm", {"quantization": "modelopt_fp4"}, "t4", "nvfp4"),
        ("vllm", {"quantization": "fp8"}, "strix-halo-gfx1151", "fp8"),
        ("vllm", {"kv_cache_dtype": "fp8"}, "a100-80gb", "8.9"),
        ("vllm", {"kv_cache_dtype": "fp8_e5m2"}, "a100-80gb", None),
        ("vllm", {"kv_cache_dtype": "fp8"}, "l4", None),
        ("vllm", {"kv_cache_dtype": "nvfp4"}, "h100-80gb", "nvfp4"),
        ("infinity", {"dtype": "bfloat16"}, "t4", "bfloat16"),
        ("infinity", {"dtype": "fp8"}, "t4", "fp8"),
        ("speaches", {"compute_type": "bfloat16"}, "t4", "bfloat16"),
        ("ollama", {"kv_cache_type": "q8_0"}, "v100-16gb", None),
    ],
)
def test_a_card_that_lacks_the_arithmetic_is_refused(name, options, of, words):
    said = ENGINES[name].refusal(instance(ENGINES[name], options=options), card(of).card, 1)
    assert said is None if words is None else words in said


def test_heads_that_cannot_be_shared_are_refused_and_repeated_ones_are_told():
    vllm = ENGINES["vllm"]
    assert "attention heads" in vllm.refusal(instance(vllm), card().card, 3)
    assert vllm.refusal(instance(vllm), card().card, 16) is None
    assert "each of the 8 key-value heads is kept on 2 cards" in vllm.need(instance(vllm), card().card, 16).why


@each_engine
def test_need_is_unknown_for_a_model_that_the_catalogue_lacks(engine):
    built = instance(engine)
    served = built.models[0]
    strange = served.model.model_copy(update={"source": "nobody/knows"})
    unknown = Instance(
        name="x",
        engine=engine.name,
        models=(ServedModel(id="x", model=strange, options=served.options, known=None),),
        image=built.image,
    )
    assert engine.need(unknown, card().card, 1) is None
    assert engine.holds(unknown, card().card, 1, 10.0) is None
    assert engine.refusal(unknown, card().card, 1) is None


@each_engine
def test_secrets_of_services_are_announced(engine):
    for service in engine.services(instance(engine)):
        assert set(service.secrets()) <= set(engine.secrets)


@each_engine
@pytest.mark.parametrize("gpus", [(), (card(),)], ids=["processor", "card"])
def test_a_writable_root_has_its_reason_in_the_facts(engine, gpus):
    for service in engine.services(instance(engine, gpus=gpus)):
        gpus = gpus if service.gpus else ()
        locks = facts.locks(service.image.family)
        reason = locks.writable_root or (locks.writable_root_on_cards if gpus else "")
        assert service.read_only is not bool(reason)
        assert service.scratch == (locks.scratch if service.read_only else ())


@each_engine
def test_host_memory_holds_the_weights_and_grows_with_cards(engine):
    def limit(**given):
        return server(engine, options=SAMPLES[engine.name].options, **given).limits.memory_gib

    weights = facts.models()[SAMPLES[engine.name].source].weights_gib
    assert limit() > 2 * weights
    assert limit(gpus=(card(),)) > weights
    assert limit(gpus=(card(), card())) >= limit(gpus=(card(),))


@each_engine
def test_unknown_weights_are_bounded_by_the_cards_or_by_a_large_figure(engine):
    def limit(*gpus):
        built = instance(engine, options=SAMPLES[engine.name].options, gpus=gpus)
        strange = built.models[0].model.model_copy(update={"source": "nobody/knows"})
        served = (ServedModel(id="x", model=strange, options=built.models[0].options, known=None),)
        service, *_ = engine.services(replace(built, models=served))
        return service.limits.memory_gib

    visible = card().card.visible_gib
    assert limit(card()) > 2 * visible
    assert limit(card(), card()) > 4 * visible
    assert limit() > 500


def test_vllm_has_no_memory_limit_where_the_host_decides_how_much_it_takes():
    def limit(*words, environment=None, options=None, gpus=()):
        built = instance(ENGINES["vllm"], options=options, gpus=gpus)
        update = {"extra_args": words, "environment": environment or {}}
        model = built.models[0].model.model_copy(update=update)
        served = (replace(built.models[0], model=model),)
        (service,) = ENGINES["vllm"].services(replace(built, models=served))
        return service.limits.memory_gib

    sized = {"cpu_cache_gib": 8}
    assert limit() is None
    assert limit(options=sized, environment={"VLLM_CPU_KVCACHE_SPACE": "900"}) is None
    assert limit(options={"cpu_cache_gib": 100}) == limit(options=sized) + 92
    assert limit(options={"kv_cache_memory_bytes": 100 * 2**30}) == limit(options=sized) + 92
    assert limit(options={"kv_cache_memory_bytes": 2**30, **sized}) == limit(options=sized)
    assert limit(options={"kv_cache_memory_bytes": 100 * 2**30}, gpus=(card(),)) == limit(gpus=(card(),))
    assert limit("--seed", "1", gpus=(card(),)) == limit(gpus=(card(),)) is not None
    for words in (("--cpu-offload-gb", "64"), ("--cpu-offload-gb=64",), ("--cpu_offload_gb", "64")):
        assert limit(*words, gpus=(card(),)) is None


def test_flags_that_lift_the_memory_limit_are_flags():
    table = facts.flag_table("vllm", SAMPLES["vllm"].version)
    assert facts.locks("vllm").host_memory_flags <= set(table.flags) | set(table.removed)


def test_backing_services_are_locked_as_the_facts_say():
    for service in services(sources.load(EXAMPLES / "article-core").spec, (), {}, image):
        locks = facts.locks(service.name)
        assert (service.read_only, service.capabilities) == (locks.read_only(), locks.capabilities)
        assert service.limits == Limits(memory_gib=locks.memory_gib, pids=locks.pids, cpus=locks.cpus)
        assert service.read_only is not bool(locks.writable_root)


@each_engine
def test_every_word_of_a_command_is_a_word(engine):
    for service in engine.services(instance(engine, options=SAMPLES[engine.name].options)):
        assert all(isinstance(arg, Arg) for arg in service.command)
        assert not any(isinstance(arg.value, str) and "\n" in arg.value for arg in service.command)


def test_every_engine_has_an_example_and_every_modality_a_probe():
    plans = [
        planning.make(sources.load(path)) for path in EXAMPLES.glob("*/stack.yaml") if path.parent.name not in REFUSED
    ]
    assert {instance.engine for plan in plans for instance in plan.instances} == set(ENGINES)
    assert set().union(*(engine.modalities for engine in ENGINES.values())) <= set(MODALITIES)
    assert all(modality.probes for modality in MODALITIES.values())


def test_a_vllm_model_knows_its_memory_to_the_logged_figure():
    """Weights and one request of Qwen3-8B: 15.27 GiB were logged, 147,456 bytes a token are its geometry."""
    need = ENGINES["vllm"].need(instance(ENGINES["vllm"], context=32768), card().card, 1)
    assert need.weights_gib == pytest.approx(15.27)
    assert need.cache_gib == pytest.approx(147_456 * 32768 / 2**30)
    halved = ENGINES["vllm"].need(
        instance(ENGINES["vllm"], context=32768, options={"kv_cache_dtype": "fp8"}), card().card, 2
    )
    assert halved.weights_gib == pytest.approx(15.27 / 2)
    assert halved.cache_gib == pytest.approx(need.cache_gib / 4)
