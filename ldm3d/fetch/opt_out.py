"""X-Robots-Tag: whether an answer forbids its use."""

import re
from collections.abc import Set
from email.message import Message

# Rules with a value after a colon, which are not agents (developers.google.com/search/docs/crawling-indexing).
_RULES_WITH_VALUE = {"max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"}
_AGENT = re.compile(r"[\w.*/-]+")


def opted_out(headers: Message, agent: str | None, directives: Set[str]) -> bool:
    """Whether any X-Robots-Tag line carries one of `directives` for everyone, or for `agent`.

    img2dataset's own check, which runs besides this one, splits a line at its first colon, and so does not see the
    `noai` of `noai, max-snippet: 20` or of `otherbot: noindex, ldm3d: noai`. Here an agent's name holds for what
    follows it, up to the next name; what cannot be read as a name counts as addressed to everyone.

    Args:
        headers: of a final answer or of a redirect.
        agent: our name in lower case, or None.
        directives: forbidding rules in lower case.
    """
    return any(_forbids(str(line), agent, directives) for line in headers.get_all("X-Robots-Tag", []))


def _forbids(line: str, agent: str | None, directives: Set[str]) -> bool:
    addressed = None
    for rule in line.lower().split(","):
        name, colon, _ = (part.strip() for part in rule.partition(":"))
        if colon and name not in _RULES_WITH_VALUE and _AGENT.fullmatch(name):
            addressed = name
        if rule.rpartition(":")[2].strip() in directives and addressed in (None, "*", agent):
            return True
    return False
