"""Strings that break writers of YAML, shells, interpolation and Markdown, and an own way to write any string down safely."""

from __future__ import annotations

import re

HOSTILE: tuple[str, ...] = (
    # quotes, backslashes, the `$` of Compose, the commands of a shell
    'say "it\'s"',
    r"it's \'half\' \"quoted\" '",
    r"C:\new\x41\u0041",
    "ends in a backslash \\",
    "$X",
    "${X}",
    "$$",
    "$$X ${X:-y} ${X:?z}",
    "; rm -rf / | $(id) `id`",
    # breaks of lines, control characters, what readers fold or drop
    "a\n",
    "x\nprivileged: true",
    "a\r\nb: c",
    "a\tb",
    "nul\x00 escape\x1b[31m",
    "next\x85line",
    "line\u2028paragraph\u2029",
    "del\x7f",
    "\ufeffbyte order mark",
    # words that YAML 1.1 or 1.2 takes for something else than text
    "yes",
    "no",
    "on",
    "off",
    "~",
    "null",
    "true",
    "1:2",
    "12:30:45",
    "0o17",
    "1e3",
    # signs of YAML
    "- x",
    "*a",
    "&a",
    "!!python/object:x",
    "# c",
    ": ",
    "key: value # c",
    "{a: [b]}",
    "%TAG @x",
    # words of other readers: the gateway, Jinja, command lines, Markdown, paths
    "os.environ/HOME",
    "{{ x }}{% x %}<!-- -->",
    "--flag",
    "../x",
    # what is hard to see
    "\U0001f469\u200d\U0001f4bb \U0001f9ea \u26a1\ufe0f",
    "\u202edesrever\u202c e\u0301\u0323",
    "'$ \" # " * 142 + "x 1000",
    "",
    " ",
    " around ",
)

_SAFE_IN_QUOTES = re.compile(r"[ !#-\[\]-~]")


def literal(text: str) -> str:
    """A string as a double-quoted scalar of YAML: ASCII, and an escape for everything else. Not stackgen's own writer."""

    def escaped(character: str) -> str:
        if _SAFE_IN_QUOTES.match(character):
            return character
        return f"\\u{ord(character):04X}" if ord(character) < 0x10000 else f"\\U{ord(character):08X}"

    return '"' + "".join(map(escaped, text)) + '"'
