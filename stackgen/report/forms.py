"""A report as text, as JSON and as JUnit's XML. Every form says at its top where stand-ins answered."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import groupby
from typing import Any
from xml.etree import ElementTree as ET

from stackgen import __version__
from stackgen.documents import document
from stackgen.measuring import Comparison
from stackgen.report import SIMULATED, Finding, Line, Report
from stackgen.smoke import Result
from stackgen.sources import printable


def as_text(report: Report) -> str:
    """The table and its sentences, without colour."""
    rows = list(report.rows())
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [SIMULATED] if report.simulated else []
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, *report.sentences()]) + "\n"


def as_json(report: Report) -> str:
    """For programs."""
    return json.dumps(document("check", json_data(report)), indent=2, ensure_ascii=False) + "\n"


def json_data(report: Report) -> dict[str, Any]:
    """What the JSON form holds below its version."""
    return {
        "stack": report.stack,
        "simulated": report.simulated,
        "ok": report.ok,
        "seconds": round(report.seconds, 3),
        "tokens": report.tokens,
        "files": [_finding(entry, "files") for entry in report.static],
        "containers": [_finding(entry, "container") for entry in report.containers],
        "memory": [_memory(entry, report.measured) for entry in report.memory],
        "requests": [_request(result) for result in report.results],
        "unproven": list(report.unproven),
        "access": [_finding(entry, "gateway") for entry in report.access],
        "diagnosis": list(report.diagnosis),
        "warnings": list(report.warnings),
    }


def as_junit(report: Report) -> str:
    """For CI: a suite for each section, a case for each line; `classname` is hop and service."""
    root = ET.Element("testsuites", name=report.stack)
    for section, found in groupby(report.lines(), key=lambda line: line.section):
        lines = list(found)
        suite = ET.SubElement(root, "testsuite", {"name": section, **_counts(lines)})
        properties = ET.SubElement(suite, "properties")
        told = {"stack": report.stack, "simulated": str(report.simulated).lower(), "version": __version__}
        if report.simulated:
            told["note"] = SIMULATED
        for name, value in told.items():
            ET.SubElement(properties, "property", name=name, value=value)
        for line in lines:
            _case(suite, line)
    root.attrib |= _counts(list(report.lines()))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _case(suite: ET.Element, line: Line) -> None:
    place = f"{line.hop}.{line.service}" if line.service else line.hop
    case = ET.SubElement(
        suite, "testcase", name=printable(line.what), classname=place, time=f"{line.seconds or 0.0:.3f}"
    )
    if line.state == "failed":
        ET.SubElement(case, "failure", message=printable(line.words)).text = printable(line.words)
    elif line.state == "skipped":
        ET.SubElement(case, "skipped", message=printable(line.words))
    elif line.words:
        ET.SubElement(case, "system-out").text = printable(line.words)


def _counts(lines: list[Line]) -> dict[str, str]:
    states = [line.state for line in lines]
    seconds = sum(line.seconds or 0.0 for line in lines)
    return {
        "tests": str(len(states)),
        "failures": str(states.count("failed")),
        "skipped": str(states.count("skipped")),
        "time": f"{seconds:.3f}",
    }


def _finding(entry: Finding, hop: str) -> dict[str, Any]:
    return {
        "name": entry.name,
        "state": entry.state,
        "hop": hop,
        "service": entry.service or None,
        "complaints": list(entry.complaints),
        "skipped": entry.skipped or None,
        "hint": entry.hint or None,
    }


def _memory(entry: Finding, measured: Iterable[Comparison]) -> dict[str, Any]:
    """A finding with its figures, those of the plan null where it has none."""
    figures = [figure for one in measured if one.instance.name == entry.service for figure in one.figures]
    rows = [
        {
            "quantity": figure.quantity,
            "measured": figure.measured,
            "planned": figure.planned,
            "off_percent": None if figure.off_percent is None else round(figure.off_percent, 1),
        }
        for figure in figures
    ]
    return {**_finding(entry, "engine"), "note": entry.note or None, "figures": rows}


def _request(result: Result) -> dict[str, Any]:
    return {
        "name": result.name,
        "model": result.model or None,
        "modality": result.modality or None,
        "probe": result.probe,
        "hop": result.hop.value,
        "service": result.service,
        "state": result.state,
        "ok": result.ok,
        "seconds": result.seconds,
        "first_token_seconds": result.first_seconds,
        "tokens": result.tokens,
        "complaint": result.complaint,
        "cause": result.cause or None,
        "skipped": result.skipped or None,
    }
