"""Pages of the manual: their code blocks, and how each is to be run.

A block in the language `sh` is run. An HTML comment on the line before a block, which readers do not see, says otherwise:

    <!-- not run: REASON -->    it is not run, and CI lists it with the reason
    <!-- background -->         it goes on until the page ends; `background: TEXT` waits until it has written TEXT
    <!-- file: NAME -->         no command: it is written to the file NAME
    <!-- stdin -->              no command: the background block started last gets it as input
    <!-- output -->             no command: each line is in what the commands before have written; … stands for any text

Beside blocks, `<!-- gateway: none -->` keeps the page from getting a gateway with the default configuration, and
`<!-- directory: repository -->` has its commands run in the repository in place of an empty directory, without a gateway.
"""

import re
from dataclasses import dataclass

MARK = re.compile(r"<!-- (not run|background|file|stdin|output|gateway|directory)(?:: (.*?))? -->\s*$")
FENCE = re.compile(r"(\s*)```(\w*)\s*$")


class BadPage(Exception):
    """A page that cannot be read: the message names the line."""


@dataclass
class Block:
    line: int
    language: str
    mark: str | None
    argument: str | None
    text: str


@dataclass
class Page:
    blocks: list
    has_gateway: bool = True
    in_repository: bool = False


def read(path):
    page = Page([])
    mark = None
    lines = iter(enumerate(path.read_text().split("\n"), 1))
    for number, line in lines:
        if found := MARK.match(line.strip()):
            name, argument = found.groups()
            if (name, argument) == ("gateway", "none"):
                page.has_gateway = False
            elif (name, argument) == ("directory", "repository"):
                page.has_gateway, page.in_repository = False, True
            elif name in ("gateway", "directory"):
                raise BadPage(f"{path}:{number}: `{name}` is not for {argument!r}")
            else:
                mark = (number, name, argument)
        elif fence := FENCE.match(line):
            indent, language = fence.groups()
            content = list(until_fence(lines, indent, f"{path}:{number}"))
            _, name, argument = mark or (0, None, None)
            if name in ("not run", "file") and not argument:
                raise BadPage(f"{path}:{number}: `{name}` wants a text")
            page.blocks.append(Block(number, language, name, argument, "\n".join(content)))
            mark = None
        elif mark and line.strip():
            raise BadPage(f"{path}:{mark[0]}: `{mark[1]}` stands before no block")
    return page


def until_fence(lines, indent, place):
    for _, line in lines:
        if line.strip() == "```":
            return
        yield line.removeprefix(indent)
    raise BadPage(f"{place}: the block has no end")
