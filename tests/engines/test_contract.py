"""What every engine promises, for each that is registered."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import EXAMPLES

from stackgen import facts, sources
from stackgen import plan as planning
from stackgen.backing import SECRETS, services
from stackgen.engines import ENGINES
from stackgen.errors import Place
from stackgen.modalities import MODALITIES
from stackgen.parts import Arg, Gpu, Image, Instance, ServedModel
from stackgen.plan.model import service_url
from stackgen.sources import Layer, Origin
from stackgen.spec import Gateway, Model, Pin

KNOWN = {"vllm": "Qwen/Qwen3-8B", "infinity": "BAAI/bge-reranker-v2-m3"}
VERSIONS = {"vllm": "0.32.0", "infinity": "0.0.77"}
FILLED = {
    "vllm": {
        "dtype": "auto",
        "quantization": "fp8",
        "kv_cache_dtype": "fp8",
        "gpu_memory_utilization": 0.5,
        "max_num_batched_tokens": 1024,
        "enable_prefix_caching": False,
        "enforce_eager": True,
        "tool_call_parser": "hermes",
        "reasoning_parser": "qwen3",
        "trust_remote_code": True,
        "revision": "main",
        "cpu_cache_gib": 1,
    },
    "infinity": {"batch_size": 4, "dtype": "float16", "trust_remote_code": True, "revision": "main"},
}


def image(family, version="1.0"):
    pin = Pin(repository=f"example/{family}", tag="v1", version=version, evidence="test")
    return Image(family=family, pin=pin, origin=Origin(Layer.PROFILE, Place("profiles/x.yaml", 1, 1)))


def instance(engine, *, context=None, options=None, gpus=()):
    modalities = tuple(sorted(engine.modalities))
    settings_ = {"context": context, "concurrency": 4 if "concurrency" in engine.fields else None}
    model = Model(source=KNOWN[engine.name], engine=engine.name, modalities=modalities, **settings_)
    served = ServedModel(id="one", model=model, options=engine.options.model_validate(options or {}))
    return Instance(
        name=f"{engine.name}-one",
        engine=engine.name,
        models=(served,),
        image=image(engine.name, VERSIONS[engine.name]),
        gpus=gpus,
    )


def card(name="a100-80gb"):
    return Gpu(id="a0", card=facts.cards()[name], device="0")


each_engine = pytest.mark.parametrize("engine", ENGINES.values(), ids=lambda engine: engine.name)


@each_engine
def test_every_flag_exists_in_the_pinned_release(engine):
    table = facts.flag_table(engine.name, VERSIONS[engine.name])
    assert set(engine.flags) <= set(table.flags)
    assert {flag for flag in engine.own_flags if flag != "--model"} <= set(table.flags)
    assert set(engine.options.model_fields) == set(FILLED[engine.name])
    for gpus in ((), (card(),)):
        (service,) = engine.services(instance(engine, options=FILLED[engine.name], gpus=gpus))
        used = [arg.value for arg in service.command if isinstance(arg.value, str) and arg.value.startswith("--")]
        assert used
        assert set(used) <= set(table.flags), set(used) - set(table.flags)


@each_engine
def test_every_flag_stands_for_a_setting(engine):
    served = instance(engine, options=FILLED[engine.name]).models[0]
    for setting in engine.flags.values():
        served.value(setting)


@each_engine
def test_values_of_options_are_choices_of_the_flag(engine):
    table = facts.flag_table(engine.name, VERSIONS[engine.name])
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
        assert route.key in engine.secrets


@each_engine
def test_health_uses_a_program_that_the_image_has_in_list_form(engine):
    for service in engine.services(instance(engine)):
        assert service.health.command[0] in facts.programs(engine.name)
        assert len(service.health.command) > 1
        assert str(service.ports[0].container) in " ".join(service.health.command)


def test_health_of_backing_services_uses_programs_that_their_images_have():
    for service in services(Gateway(address="127.0.0.1", port=4000, database=True, cache="redis"), (), image):
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
def test_need_is_unknown_for_a_model_that_the_catalogue_lacks(engine):
    built = instance(engine)
    served = built.models[0]
    strange = served.model.model_copy(update={"source": "nobody/knows"})
    unknown = Instance(
        name="x",
        engine=engine.name,
        models=(ServedModel(id="x", model=strange, options=served.options),),
        image=built.image,
    )
    assert engine.need(unknown, card().card, 1) is None


@each_engine
def test_secrets_of_services_are_announced(engine):
    for service in engine.services(instance(engine)):
        assert set(service.secrets()) <= set(engine.secrets)


@each_engine
def test_every_word_of_a_command_is_a_word(engine):
    for service in engine.services(instance(engine, options=FILLED[engine.name])):
        assert all(isinstance(arg, Arg) for arg in service.command)
        assert not any(isinstance(arg.value, str) and "\n" in arg.value for arg in service.command)


def test_every_engine_has_an_example_and_every_modality_a_probe():
    plans = [planning.make(sources.load(path)) for path in EXAMPLES.glob("*/stack.yaml")]
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
