"""The shell commands of a page of Markdown, as they stand there."""

import re
import shlex
from pathlib import Path

from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser

CONTINUED = "\\\n"


def blocks_of(page: Path) -> list[list[str]]:
    """The commands of each shell block, with their continuation lines and comments; lines of comment are left out."""
    parse = Sybil([CodeBlockParser(language="sh", evaluator=lambda example: None)]).parse
    return [_commands(str(example.parsed)) for example in parse(page)]


def commands_of(page: Path) -> list[str]:
    """The commands of all shell blocks of a page."""
    return [command for block in blocks_of(page) for command in block]


def words_of(command: str) -> list[str]:
    """The words that a shell makes of a command that has no variables; its comment is none of them."""
    return shlex.split(in_one_line(command), comments=True)


def in_one_line(command: str) -> str:
    """A command without the breaks of its continuation lines."""
    return re.sub(r"\s*\\\n\s*", " ", command)


def _commands(block: str) -> list[str]:
    lines = block.replace(CONTINUED, "\0").splitlines()
    return [line.replace("\0", CONTINUED) for line in lines if line and not line.startswith("#")]
