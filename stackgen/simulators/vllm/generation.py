"""How the stand-in for vLLM answers `/v1/chat/completions` and `/v1/completions`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .. import catalogue
from ..door import Answer, Request
from ..language import tokens
from ..metrics import Metrics
from . import requests, spelling
from .command import Command
from .requests import refusal
from .spelling import Head
from .text import Written, write

CACHE_SERIES = "vllm:cache_config_info"
SERIES: Mapping[str, tuple[str, str]] = {
    "vllm:num_requests_running": ("gauge", "Number of requests in model execution batches."),
    "vllm:num_requests_waiting": ("gauge", "Number of requests waiting to be processed."),
    "vllm:kv_cache_usage_perc": ("gauge", "KV-cache usage. 1 means 100 percent usage."),
    "vllm:prompt_tokens_total": ("counter", "Number of prefill tokens processed."),
    "vllm:generation_tokens_total": ("counter", "Number of generation tokens processed."),
    "vllm:request_success_total": ("counter", "Count of successfully processed requests."),
    CACHE_SERIES: ("gauge", "Information of the LLMEngine CacheConfig"),
}
_DEFAULT_COMPLETION_TOKENS = 16


class Generation:
    """The one model of a server."""

    def __init__(self, command: Command, version: str) -> None:
        self.command = command
        self.release = catalogue.release(version)
        self.sees = catalogue.find(command.source).kind != "llm"  # nobody knows what an unknown model sees
        self.metrics = Metrics(SERIES)
        self.labels = {"engine": "0", "model_name": command.names[0]}
        for name in SERIES:
            if name not in {"vllm:request_success_total", CACHE_SERIES}:
                self.metrics.add(name, 0, **self.labels)

    def name(self, values: Mapping[str, Any]) -> str:
        """The served name that a request means; RefusalError where there is none of that name."""
        name = values["model"]
        if name and name not in self.command.names:
            message = f"The model `{name}` does not exist. Valid aliases: {', '.join(self.command.names)}."
            raise refusal(message, "model", 404, "NotFoundError")
        return name or self.command.names[0]

    def chat(self, request: Request) -> Answer:
        """Answer a conversation."""
        values = requests.read(request, requests.CHAT)
        requests.check_tools(values)
        requests.check_options(values)
        name, messages = self.name(values), values["messages"]
        tool, called = self._tool(values)
        if not messages:
            raise refusal("Cannot apply chat template to an empty conversation. Provide at least one message.")
        seen = self._seen(name, messages)
        prompt_tokens = requests.count_prompt(messages, values["tools"])
        limit = values["max_completion_tokens"]
        most = requests.room(prompt_tokens, values["max_tokens"] if limit is None else limit, self.command.longest)
        requests.check_sampling(values)
        thinks = self.command.thinks and bool(values["chat_template_kwargs"].get("enable_thinking", True))
        prompt = requests.text_of(messages[-1])
        answers = self._answers(values, prompt, most, thinks=thinks, seen=seen, tool=tool)
        head = replace(
            self._head(values, name, prompt_tokens),
            called=called,
            forced=values["tool_choice"] not in (None, "auto", "none"),
            counts_thoughts=self.command.thinks,
            tells_each=bool(values["stream_options"].get("continuous_usage_stats")),
        )
        self._count(prompt_tokens, answers)
        return spelling.chat_stream(head, answers) if values["stream"] else spelling.chat(head, answers)

    def _seen(self, name: str, messages: Sequence[Mapping[str, Any]]) -> list[str]:
        """The colours of all pictures."""
        parts = requests.parts_beside_text(messages)
        if parts and not self.sees and all(part.get("type") == "image_url" for part in parts):
            raise refusal(f"{name} is not a multimodal model")
        return list(requests.colours(parts))

    def _tool(self, values: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, str]:
        """The tool to call, and how the answer then ends; a result of a tool is answered in words."""
        tools, choice = values["tools"], values["tool_choice"]
        if not tools or choice == "none":
            return None, "stop"
        if isinstance(choice, Mapping):
            return next(tool for tool in tools if tool["name"] == choice["function"]["name"]), "stop"
        if choice != "required" and not self.command.calls_tools:
            raise refusal('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set')
        last = values["messages"][-1] if values["messages"] else {}
        if choice != "required" and last.get("role") == "tool":
            return None, "stop"
        text = requests.text_of(last)
        return next((tool for tool in tools if tool["name"] in text), tools[0]), "tool_calls"

    def completion(self, request: Request) -> Answer:
        """Go on with texts."""
        values = requests.read(request, requests.COMPLETION)
        requests.check_options(values)
        if values["prompt"] in (None, ""):
            raise requests.of_param("Either prompt or prompt_embeds must be provided and non-empty.", "prompt")
        name = self.name(values)
        if values["suffix"]:
            raise refusal("suffix is only supported for models with FIM completion rendering", "suffix")
        prompts = _prompts(values["prompt"])
        if not prompts:
            raise refusal("You must pass at least one prompt")
        wanted = _DEFAULT_COMPLETION_TOKENS if values["max_tokens"] is None else values["max_tokens"]
        counts = [len(tokens(prompt)) for prompt in prompts]
        longest, echo = self.command.longest, values["echo"]
        rooms = [requests.room(count, wanted, longest, may_be_zero=echo) for count in counts]
        requests.check_sampling(values)
        answers = [
            answer
            for prompt, most in zip(prompts, rooms, strict=True)
            for answer in self._answers(values, prompt, most, thinks=False)
        ]
        echoes = [prompt if echo else "" for prompt in prompts for _ in range(values["n"])]
        head = self._head(values, name, sum(counts))
        self._count(sum(counts), answers)
        if values["stream"]:
            return spelling.completion_stream(head, answers, echoes)
        return spelling.completion(head, answers, echoes)

    def _answers(
        self,
        values: Mapping[str, Any],
        prompt: str,
        most: int,
        *,
        thinks: bool,
        seen: Sequence[str] = (),
        tool: Mapping[str, Any] | None = None,
    ) -> list[Written]:
        """As many answers as are asked for, all the same."""
        stop = [values["stop"]] if isinstance(values["stop"], str) else values["stop"]
        form = requests.form_of(values)
        try:
            answer = write(prompt=prompt, most_tokens=most, thinks=thinks, stop=stop, seen=seen, form=form, tool=tool)
        except ValueError as error:
            raise refusal(str(error)) from error
        return [answer] * values["n"]

    def _head(self, values: Mapping[str, Any], name: str, prompt_tokens: int) -> Head:
        usage = bool(values["stream_options"].get("include_usage")) or self.command.forces_usage
        return Head(model=name, version=self.release, prompt_tokens=prompt_tokens, tells_usage=usage)

    def _count(self, prompt_tokens: int, answers: Sequence[Written]) -> None:
        self.metrics.add("vllm:prompt_tokens_total", prompt_tokens, **self.labels)
        for answer in answers:
            self.metrics.add("vllm:generation_tokens_total", answer.count, **self.labels)
            self.metrics.add("vllm:request_success_total", 1, **self.labels, finished_reason=answer.ends)


def _prompts(given: Any) -> list[str]:
    """Prompts as texts; numbers of tokens stand for themselves."""
    if isinstance(given, str):
        return [given]
    if given and all(isinstance(one, int) for one in given):
        return [" ".join(map(str, given))]
    return [one if isinstance(one, str) else " ".join(map(str, one)) for one in given]
