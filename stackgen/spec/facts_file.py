"""Facts files: what an operator knows of cards and models that stackgen does not, or knows better."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from stackgen.spec.words import Identifier, NonEmptyText, Source, Strict, Text, sequence

Count = Annotated[int, Field(ge=0, le=100_000_000)]
Gib = Annotated[float, Field(gt=0, le=100_000)]
CardId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9.-]{0,60}$")]
Day = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Kind = Literal["embedding", "llm", "reranker", "stt", "tts", "vlm"]


class CardEntry(Strict):
    """A kind of GPU, or a MIG slice of one. What is left out follows from the compute capability."""

    name: NonEmptyText = Field(description="What people call it.")
    vendor: Literal["amd", "nvidia"] = Field(description="Its maker; decides which images run on it.")
    visible_gib: Gib = Field(description="Memory that CUDA reports, in GiB; less than the label says.")
    compute_capability: float | None = Field(
        None, ge=1, le=99, description="Of NVIDIA cards: `nvidia-smi --query-gpu=compute_cap --format=csv`."
    )
    nvidia_smi_mib: Count = Field(0, description="Memory that nvidia-smi shows, in MiB.")
    bf16: bool | None = Field(None, description="It multiplies bfloat16; where left out, from 8.0 on.")
    fp8: bool | None = Field(None, description="It multiplies 8-bit floats; where left out, from 8.9 on.")
    fp4: bool | None = Field(None, description="It multiplies 4-bit floats; where left out, from 10.0 on.")
    weight_only: Literal["yes", "int4", "no"] | None = Field(
        None,
        description="Quantised weights that it unpacks for 16-bit arithmetic; where left out, int4 from 7.5 on, all from 8.0 on.",
    )
    unified: bool = Field(False, description="It shares its memory with the processor.")
    nvlink: bool = Field(False, description="Cards of this kind in one server are joined faster than by PCIe.")
    part_of: Text = Field("", description="Of a MIG slice: the id of the whole card.")
    memory_slices: int = Field(0, ge=0, le=8, description="Of a MIG slice: eighths of the card's memory.")
    source: NonEmptyText = Field(description="Who says so.")


class VariantEntry(Strict):
    """A build of a model in another number format."""

    quantization: NonEmptyText = Field(description="Number format, such as fp8 or awq4.")
    weights_gib: Gib = Field(description="Its weights.")
    weights_evidence: NonEmptyText = Field("declared", description="How that is known: logged, read, derived, …")
    source: Text = Field("", description="Hub id of the build.")


class ModelEntry(Strict):
    """A model. Which numbers it needs depends on its kind; a number that is left out is not known."""

    kind: Kind = Field(description="What it is.")
    weights_gib: Gib = Field(description="Weights as they are downloaded: bytes / 1073741824.")
    weights_evidence: NonEmptyText = Field("declared", description="How that is known: logged, read, derived, …")
    layers: Count = Field(0, description="num_hidden_layers of config.json.")
    hidden_size: Count = Field(0, description="hidden_size of config.json.")
    intermediate_size: Count = Field(0, description="intermediate_size of config.json.")
    attention_heads: Count = Field(0, description="num_attention_heads of config.json.")
    kv_heads: Count = Field(0, description="num_key_value_heads of config.json; attention_heads where it says none.")
    head_dim: Count = Field(0, description="head_dim of config.json; hidden_size / attention_heads where it says none.")
    experts_per_token: Count = Field(0, description="num_experts_per_tok of config.json.")
    moe_intermediate_size: Count = Field(0, description="moe_intermediate_size of config.json.")
    vocabulary_size: Count = Field(0, description="vocab_size of config.json.")
    longest_context: Count = Field(0, description="max_position_embeddings of config.json, in tokens.")
    tool_parser: Text = Field("", description="vLLM's --tool-call-parser for it.")
    reasoning_parser: Text = Field("", description="vLLM's --reasoning-parser for it.")
    parameters_billions: float = Field(0.0, ge=0, le=100_000, description="Parameters, in thousand millions.")
    experts: Count = Field(0, description="num_experts of config.json.")
    native_dtype: Text = Field("bf16", description="Numbers that it reckons with: bf16, fp16, fp32.")
    quantization: Text = Field(
        "", description="Number format of the files where it is another one, such as fp8 or awq4."
    )
    kv_lora_rank: Count = Field(0, description="kv_lora_rank of config.json (MLA).")
    rope_head_dim: Count = Field(0, description="qk_rope_head_dim of config.json (MLA).")
    sliding_window: Count = Field(0, description="Tokens that window layers see.")
    full_layers: Count = Field(0, description="Layers that see everything; all of them where left out.")
    window_layers: Count = Field(0, description="Layers that see the window alone.")
    linear_layers: Count = Field(0, description="Layers that keep one state for a request: linear attention, Mamba.")
    global_kv_heads: Count = Field(0, description="kv_heads of the full layers, where they have others.")
    global_head_dim: Count = Field(0, description="head_dim of the full layers, where they have another.")
    linear_state_bytes: Count = Field(0, description="State of one linear layer for one request, in bytes.")
    cross_tokens: Count = Field(0, description="Tokens of a picture that requests attend to by cross-attention.")
    gated: bool = Field(False, description="The hub asks for consent and a token.")
    built_from: Text = Field("", description="Of a quantised build: the model that it was made of.")
    variants: tuple[VariantEntry, ...] = sequence(default=(), description="Builds in other number formats.")
    source: NonEmptyText = Field(description="Who says these numbers.")


class MeasuredEntry(Strict):
    """What one start of an engine took on each card; `stackgen check --record` writes it."""

    engine: Identifier = Field(description="Engine that was started.")
    version: NonEmptyText = Field(description="Version of the program inside the image.")
    model: Source = Field(description="Source of the model, as a spec writes it.")
    card: CardId = Field(description="Kind of card.")
    tensor_parallel: int = Field(1, ge=1, le=64, description="Cards that share each layer.")
    context: Count | None = Field(None, description="Longest request plus answer, in tokens.")
    concurrency: Count | None = Field(None, description="Requests at the same time.")
    batched_tokens: Count | None = Field(None, description="Tokens of one step.")
    cache_dtype: Text | None = Field(
        None, description="Numbers of the cache, such as fp8; those of the weights where left out."
    )
    weights_gib: Gib | None = Field(None, description="Weights on each card.")
    overhead_gib: float | None = Field(
        None, ge=0, le=100_000, description="Everything beside weights and cache, in GiB."
    )
    cache_gib: float | None = Field(None, ge=0, le=100_000, description="The cache, in GiB.")
    cache_tokens: Count | None = Field(None, description="Tokens that the cache holds.")
    on: Day = Field(description="Day, as 2026-11-21.")
    source: NonEmptyText = Field(description="Where the figures were read.")


class FactsFile(Strict):
    """A file of profiles/facts/ beside the spec."""

    about: Text = Field("", description="What the file is for.")
    cards: dict[CardId, CardEntry] = Field(default_factory=dict, description="Cards by id, as `card:` of a gpu.")
    models: dict[Source, ModelEntry] = Field(default_factory=dict, description="Models by source: hub id, tag or path.")
    measured: tuple[MeasuredEntry, ...] = sequence(default=(), description="What engines said about their memory.")
