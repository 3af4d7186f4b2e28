"""The types of text and numbers that a spec is made of; each refuses what could be taken for something else."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

GATEWAY_ENVIRONMENT_REFERENCE = "os.environ/"
GPU_UUID = re.compile(r"(GPU|MIG)-[0-9a-fA-F-]{8,80}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")
_GATEWAY_PATH = re.compile(r"(/[A-Za-z0-9._~-]{1,100}){1,10}")
_LONGEST_PART_BYTES = 200
"""Of a path; file systems take 255, and a file that is being written has a suffix."""
_URL_TEXT = re.compile(r"[A-Za-z0-9._~:/\[\]@!&'()*+,;=%-]+")


def control_complaint(text: str, allowed: str = "") -> str | None:
    """What is wrong with a text that holds control characters beyond the allowed ones; None where it holds none."""
    for position, character in enumerate(text):
        if character not in allowed and (
            unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} or character == "\ufeff"
        ):
            return f"control character U+{ord(character):04X} at position {position + 1} is not allowed"
    return None


def _no_control_characters(text: str) -> str:
    complaint = control_complaint(text)
    if complaint:
        raise ValueError(complaint)
    return text


def _no_gateway_reference(text: str) -> str:
    if text.startswith(GATEWAY_ENVIRONMENT_REFERENCE):
        raise ValueError(
            f"`{GATEWAY_ENVIRONMENT_REFERENCE}` at the start is how the gateway reads secrets; write a name"
        )
    return text


def _no_wildcard(text: str) -> str:
    if "*" in text:
        raise ValueError("must not hold `*`: the gateway takes such a name for a pattern")
    return text


def _no_leading_dash(text: str) -> str:
    if text.startswith("-"):
        raise ValueError("must not begin with `-`, a command line would take it for a flag")
    return text


def _address(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("must be an IP address such as 127.0.0.1") from None
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id:
        raise ValueError("must be an IP address without a zone")
    return str(address)


def _subnet(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise ValueError("must be a network such as 10.89.0.0/24, its host part all zeros") from None


def _url(text: str) -> str:
    if not _URL_TEXT.fullmatch(text):
        raise ValueError("must be a URL of plain letters, digits and signs, without `?`, `#`, `$` or spaces")
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        raise ValueError("must be a URL such as https://host:port/v1") from None
    if parts.scheme not in {"http", "https"} or not (_HOST.fullmatch(host) or ":" in host):
        raise ValueError("must be a URL such as https://host:port/v1")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or a password; name a secret under `key`")
    if text.endswith("/"):
        raise ValueError("must not end in `/`: the gateway appends paths that begin with one")
    return text


def _absolute(text: str) -> str:
    parts = text.split("/")[1:]
    if not text.startswith("/"):
        raise ValueError("must be an absolute path")
    if not all(parts):
        raise ValueError("must name a file or folder, without `//` and without `/` at its end")
    if any(part in {".", ".."} for part in parts):
        raise ValueError("must not hold `.` or `..`")
    if any(len(part.encode(errors="surrogatepass")) > _LONGEST_PART_BYTES for part in parts):
        raise ValueError(f"must have parts of at most {_LONGEST_PART_BYTES} bytes between its `/`")
    if ":" in text:
        raise ValueError("must not hold `:`")
    return text


def _gateway_path(text: str) -> str:
    if not _GATEWAY_PATH.fullmatch(text):
        raise ValueError("must begin with `/`, and hold letters, digits, `.`, `_`, `~` and `-` between its `/`")
    return text


def _no_simulation(text: str) -> str:
    if text.endswith(SIMULATION_SUFFIX):
        raise ValueError(f"must not end in {SIMULATION_SUFFIX}: so ends the name of a simulation")
    return text


def _gpu_uuid(text: str) -> str:
    if not GPU_UUID.fullmatch(text):
        raise ValueError("must look like GPU-8a1c…, as `nvidia-smi -L` prints it")
    return text


SIMULATION_SUFFIX = "-sim"
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
StackName = Annotated[Identifier, AfterValidator(_no_simulation)]
EnvironmentName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,80}$")]
Text = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_no_control_characters)]
NonEmptyText = Annotated[Text, StringConstraints(min_length=1)]
Name = Annotated[NonEmptyText, AfterValidator(_no_gateway_reference)]
PublicName = Annotated[Name, AfterValidator(_no_wildcard)]
Word = Annotated[NonEmptyText, AfterValidator(_no_leading_dash)]
Source = Annotated[Name, AfterValidator(_no_leading_dash)]
Address = Annotated[str, AfterValidator(_address)]
Subnet = Annotated[str, AfterValidator(_subnet)]
Url = Annotated[Name, AfterValidator(_url)]
AbsolutePath = Annotated[NonEmptyText, AfterValidator(_absolute)]
GatewayPath = Annotated[str, AfterValidator(_gateway_path)]
DockerName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{1,120}$")]
"""A network or volume that exists already; Docker takes one letter for a drive, so there are two at least."""
PortNumber = Annotated[int, Field(ge=1, le=65535)]
GpuUuid = Annotated[str, AfterValidator(_gpu_uuid)]


class Strict(BaseModel):
    """Base of everything that a user writes. Validators are built at their first use: most runs need few of them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


def sequence(**constraints: Any) -> Any:
    """A list in YAML becomes a tuple here; only this outer step is lenient, the items stay strict."""
    return Field(strict=False, **constraints)


PublicNames = Annotated[tuple[PublicName, ...], Field(strict=False)]
"""Where a list of names is the value of a map."""
