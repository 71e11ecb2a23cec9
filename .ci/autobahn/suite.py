"""Reads the cases of the Autobahn test suite.

The suite is a program for Python 2 on Twisted, whose cases are plain classes that tell a protocol object what to send, and
when. They are taken as they are; what differs between the languages is bridged here: a str of Python 2 is bytes, which a str
of Python 3 is too if no character is above 255 (latin-1).
"""

import ast
import binascii
import codecs
import re
import sys
import types
from pathlib import Path

import deflate

# What the cases know the other side's protocol by.
STATES = {"STATE_CLOSED": 0, "STATE_CONNECTING": 1, "STATE_CLOSING": 2, "STATE_OPEN": 3}
CODES = {
    "CLOSE_STATUS_CODE_NORMAL": 1000,
    "CLOSE_STATUS_CODE_GOING_AWAY": 1001,
    "CLOSE_STATUS_CODE_PROTOCOL_ERROR": 1002,
    "CLOSE_STATUS_CODE_INVALID_PAYLOAD": 1007,
}


class WebSocketProtocol:
    MESSAGE_TYPE_TEXT = 1
    MESSAGE_TYPE_BINARY = 2


for name, value in (STATES | CODES).items():
    setattr(WebSocketProtocol, name, value)


class Utf8Validator:
    """As autobahn's: tells whether what came so far is valid, and whether it ends with a character."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.decoder = codecs.getincrementaldecoder("utf-8")()

    def validate(self, text):
        try:
            self.decoder.decode(text.encode("latin-1"))
        except UnicodeDecodeError:
            return False, False, 0, 0
        return True, not self.decoder.getstate()[0], 0, 0


class FloorDivision(ast.NodeTransformer):
    """What `/` is between two integers in Python 2; the cases divide nothing else."""

    def visit_Div(self, node):
        return ast.FloorDiv()


class OldBase:
    """Stands for `object` as a base beside others, in whose order Python 3 is strict."""


def stub(name, **members):
    module = types.ModuleType(name)
    module.__dict__.update(members)
    sys.modules[name] = module


def load(suite: Path, categories: set[int]) -> dict[tuple[int, ...], type]:
    """The cases by their number."""
    stub("autobahn")
    stub("autobahn.websocket")
    stub("autobahn.websocket.protocol", WebSocketProtocol=WebSocketProtocol)
    stub("autobahn.websocket.utf8validator", Utf8Validator=Utf8Validator)
    names = [name for name in dir(deflate) if name.startswith("PerMessageDeflate")]
    stub("autobahn.websocket.compress", **{name: getattr(deflate, name) for name in names})
    stub("pkg_resources", resource_filename=lambda _, name: str(suite / name))
    cases = suite / "case"
    found = {}
    for file in ["case.py", *sorted(file.name for file in cases.glob("case*_*.py"))]:
        number = re.match(r"case(\d+)_", file)
        # The suite itself does not run 9.9, which sends without end.
        # Those of category 13 are in the file of category 12.
        wanted = number is None or categories & ({12, 13} if int(number[1]) == 12 else {int(number[1])})
        if not wanted or file == "case9_9_1.py":
            continue
        module = read(cases / file)
        for case in classes(module):
            numbers = re.fullmatch(r"Case(\d+(?:_\d+)+)", case.__name__)
            if numbers and int(numbers[1].split("_")[0]) in categories:
                found[tuple(int(part) for part in numbers[1].split("_"))] = case
    return dict(sorted(found.items()))


def read(path: Path):
    """Imports a file of the suite under its own name, after those it imports itself."""
    name = path.stem
    if name in sys.modules:
        return sys.modules[name]
    # As Python 2 sees it: the bytes of a literal are its characters.
    source = path.read_bytes().decode("latin-1")
    for imported in re.findall(r"^from (case\w*) import", source, re.MULTILINE):
        read(path.with_name(f"{imported}.py"))
    source = re.sub(r"^(\s*)print\b.*$", r"\1pass", source, flags=re.MULTILINE)
    source = re.sub(r"^# coding=.*$", "", source, flags=re.MULTILINE)
    tree = ast.fix_missing_locations(FloorDivision().visit(ast.parse(source, str(path))))
    module = types.ModuleType(name)
    module.__dict__.update(xrange=range, object=OldBase)
    module.__dict__["unichr"] = chr
    sys.modules[name] = module
    shown = types.ModuleType("binascii")
    shown.b2a_hex = lambda text: binascii.b2a_hex(text.encode("latin-1")).decode()
    real, sys.modules["binascii"] = sys.modules["binascii"], shown
    try:
        exec(compile(tree, str(path), "exec"), module.__dict__)
    finally:
        sys.modules["binascii"] = real
    return module


def classes(module):
    for value in vars(module).values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, type):
                yield item
