"""The house stands: ranks, islands, budgets, exports and the error family, read from the source itself.

Each rule is a function from a house to the sentences that tell what breaks it. Every rule is held against the real
house, and against a small house built only to break it, so that a rule that has gone blind is noticed.
"""

from __future__ import annotations

import ast
import builtins
import graphlib
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import attrs
import pytest

import omniedit

ROOT = Path(__file__).parents[1]
SHOP_WINDOW = "omniedit"
ISLAND = "sandbox"
FERRIES = {"testing", "cli"}
RANKS = {
    "__main__": 8,
    "cli": 7,
    **dict.fromkeys(["distributed", "testing", SHOP_WINDOW], 6),
    **dict.fromkeys(["flow", "report"], 5),
    **dict.fromkeys(["api", "media", "journal"], 4),
    **dict.fromkeys(["codecs", "core"], 3),
    "changes": 2,
    "errors": 1,
    **dict.fromkeys(["models", "clock"], 0),
}
MODULE_LINES, FUNCTION_LINES, MEDIAN_FUNCTION_LINES = 400, 60, 8
IMPURE = {
    *("aiohttp", "anyio", "asyncio", "concurrent", "os", "random", "secrets", "shutil", "socket"),
    *("sqlite3", "subprocess", "tempfile", "threading", "time", "urllib.request"),
}
IMPURE_CALLS = {"open", "print", "input", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
OMNIEDIT_ERROR = "OmniEditError"


@attrs.frozen
class Module:
    """One source file: its dotted name and what is written in it."""

    name: str
    text: str
    tree: ast.Module
    is_package: bool = False

    @property
    def room(self) -> str:
        """The first name below `omniedit`: what a rank is given to."""
        return room_of(self.name)

    @property
    def package(self) -> str:
        """What a relative import counts from."""
        return self.name if self.is_package else self.name.rpartition(".")[0]


@attrs.frozen
class House:
    """All modules of the package, and the tests beside it."""

    modules: Mapping[str, Module]
    tests: tuple[Module, ...]

    @classmethod
    def read(cls, root: Path) -> House:
        """Parse every Python file below `root/omniedit` and `root/tests`."""
        modules = [read_module(path, root) for path in sorted((root / "omniedit").rglob("*.py"))]
        tests = [read_module(path, root) for path in sorted((root / "tests").rglob("*.py"))]
        return cls({module.name: module for module in modules}, tuple(tests))

    def imports(self, module: Module) -> Iterator[str]:
        """Every module that `module` imports, inside functions and type-checking blocks too."""
        for node in ast.walk(module.tree):
            match node:
                case ast.Import(names=names):
                    yield from (alias.name for alias in names)
                case ast.ImportFrom(names=names):
                    origin = origin_of(node, module)
                    yield from (self.target(origin, alias.name) for alias in names)
                case ast.Call(args=[ast.Constant(value=str(name)), *_]) if called(node).endswith("import_module"):
                    yield name
                case _:
                    pass

    def target(self, origin: str, name: str) -> str:
        """`from origin import name` means the module `origin.name` if there is one, else `origin`."""
        full = f"{origin}.{name}"
        is_room = origin == SHOP_WINDOW and name in {*RANKS, ISLAND}
        return full if is_room or full in self.modules else origin

    def own_imports(self, module: Module) -> list[str]:
        """The imports that stay inside the house."""
        return [name for name in self.imports(module) if within(name, {SHOP_WINDOW})]


def read_module(path: Path, root: Path) -> Module:
    """Parse one file, named as Python would import it from `root`."""
    parts = path.relative_to(root).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    text = path.read_text(encoding="utf-8")
    return Module(".".join(parts[:-1] if is_package else parts), text, ast.parse(text, str(path)), is_package)


def room_of(name: str) -> str:
    """Which room a dotted name belongs to; the package itself is the shop window."""
    return name.split(".")[1] if "." in name else name


def within(name: str, prefixes: set[str]) -> bool:
    """Whether a dotted name is one of the prefixes or lies below one."""
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def origin_of(node: ast.ImportFrom, module: Module) -> str:
    """The absolute name of what stands between `from` and `import`."""
    if not node.level:
        return node.module or ""
    parts = module.package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def called(node: ast.Call) -> str:
    """The last two names of what is called, as in `datetime.now`."""
    return ".".join(ast.unparse(node.func).split(".")[-2:])


def functions(module: Module) -> Iterator[tuple[str, int]]:
    """Name and number of lines of every function, methods and nested ones included."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def bound_names(body: list[ast.stmt]) -> Iterator[str]:
    """Names that a module binds at its top level, also below `if`, `try` and `with`."""
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from (alias.asname or alias.name.partition(".")[0] for alias in names)
            case ast.If() | ast.Try() | ast.With():
                blocks = [getattr(node, block, []) for block in ("body", "orelse", "finalbody")]
                handlers = [handler.body for handler in getattr(node, "handlers", [])]
                yield from (name for block in blocks + handlers for name in bound_names(block))
            case ast.Assign() | ast.AnnAssign():
                yield from (n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
            case _:
                pass


def exported(module: Module) -> list[str] | None:
    """The literal `__all__` of a module; None where there is none or where it is computed."""
    for node in module.tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                pass
            case ast.AnnAssign(target=ast.Name(id="__all__"), value=ast.expr() as value):
                pass
            case _:
                continue
        if isinstance(value, ast.List | ast.Tuple) and all(isinstance(item, ast.Constant) for item in value.elts):
            return [str(item) for item in ast.literal_eval(value)]
    return None


def ranks(house: House) -> Iterator[str]:
    """A room imports only from strictly lower ranks; a package may use itself."""
    for module in house.modules.values():
        if module.room not in {*RANKS, ISLAND}:
            yield f"{module.name}: the room has no rank"
            continue
        for name in house.own_imports(module):
            here, there = module.room, room_of(name)
            if here == there or ISLAND in {here, there}:
                continue
            if there not in RANKS:
                yield f"{module.name} imports {name}, which has no rank"
            elif RANKS[there] >= RANKS[here]:
                yield f"{module.name} (rank {RANKS[here]}) imports {name} (rank {RANKS[there]})"


def cycles(house: House) -> Iterator[str]:
    """No module reaches itself through its imports."""
    graph = {module.name: house.own_imports(module) for module in house.modules.values()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        yield " imports ".join(reversed(error.args[1]))


def island(house: House) -> Iterator[str]:
    """The sandbox shares no code with the client, and only testing and the command line start it."""
    for module in house.modules.values():
        for name in house.own_imports(module):
            if module.room == ISLAND and room_of(name) != ISLAND:
                yield f"{module.name} is on the island, yet imports {name}"
            if room_of(name) == ISLAND and module.room not in {*FERRIES, ISLAND}:
                yield f"{module.name} imports {name} from the island"


def terminal(house: House) -> Iterator[str]:
    """One file knows how a terminal is drawn."""
    for module in house.modules.values():
        if module.name != "omniedit.cli.terminal" and any(within(name, {"rich"}) for name in house.imports(module)):
            yield f"{module.name} imports rich"


def purity(house: House) -> Iterator[str]:
    """The core judges: it does no I/O, reads no clock and draws no random number."""
    for module in house.modules.values():
        if module.room != "core":
            continue
        yield from (f"{module.name} imports {name}" for name in house.imports(module) if within(name, IMPURE))
        calls = [called(node) for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
        yield from (f"{module.name} calls {name}" for name in calls if name in IMPURE_CALLS)


def core_docstrings(house: House) -> Iterator[str]:
    """Every file of the core opens with the rules of its room."""
    for module in house.modules.values():
        if module.room == "core" and not (ast.get_docstring(module.tree) or "").strip():
            yield f"{module.name} does not open with a docstring"


def module_budget(house: House) -> Iterator[str]:
    """A module can be read in one sitting."""
    for module in house.modules.values():
        if (lines := len(module.text.splitlines())) > MODULE_LINES:
            yield f"{module.name} has {lines} lines, more than {MODULE_LINES}"


def function_budget(house: House) -> Iterator[str]:
    """A function fits on a screen."""
    for module in house.modules.values():
        for name, lines in functions(module):
            if lines > FUNCTION_LINES:
                yield f"{module.name}.{name} has {lines} lines, more than {FUNCTION_LINES}"


def median_budget(house: House) -> Iterator[str]:
    """Most functions are much smaller than a screen."""
    lengths = [lines for module in house.modules.values() for _, lines in functions(module)]
    if lengths and (median := statistics.median(lengths)) > MEDIAN_FUNCTION_LINES:
        yield f"the median function has {median} lines, more than {MEDIAN_FUNCTION_LINES}"


def exports(house: House) -> Iterator[str]:
    """Every public module says what it offers: a literal `__all__`, in sorted() order, of names that exist."""
    for module in house.modules.values():
        only_docstring = len(module.tree.body) <= 1 and ast.get_docstring(module.tree) is not None
        if only_docstring or any(part.startswith("_") for part in module.name.split(".")):
            continue
        names = exported(module)
        if names is None:
            yield f"{module.name} has no literal __all__"
            continue
        if names != sorted(set(names)):
            yield f"{module.name}: __all__ is not sorted({sorted(set(names))})"
        bound = set(bound_names(module.tree.body))
        if "__getattr__" not in bound:  # names made on demand are looked up in test_shop_window_offers_real_things
            yield from (
                f"{module.name}: __all__ names {name}, which is not there" for name in names if name not in bound
            )


def error_family(house: House) -> Iterator[str]:
    """One root for all errors, so that one `except` catches everything this library raises."""
    bases: dict[str, set[str]] = {}
    for module in house.modules.values():
        classes = [node for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef) and module.room != ISLAND]
        for node in classes:
            bases.setdefault(node.name, set()).update(ast.unparse(base).split(".")[-1] for base in node.bases)
    for name in bases:
        family = ancestors(name, bases)
        if OMNIEDIT_ERROR not in family and any(is_exception(other) for other in family - {name}):
            yield f"{name} does not descend from {OMNIEDIT_ERROR}"


def ancestors(name: str, bases: Mapping[str, set[str]]) -> set[str]:
    """A class and everything it descends from, by name."""
    family, waiting = {name}, [name]
    while waiting:
        fresh = bases.get(waiting.pop(), set()) - family
        family |= fresh
        waiting.extend(fresh)
    return family


def is_exception(name: str) -> bool:
    """Whether a name means an exception: a builtin one, or, of another package, one that is called so."""
    known = getattr(builtins, name, None)
    if isinstance(known, type):
        return issubclass(known, BaseException) and not issubclass(known, Warning)
    return name.endswith(("Error", "Exception"))


def no_mocks(house: House) -> Iterator[str]:
    """Tests use real servers, real files and the shipped fakes."""
    for module in house.tests:
        for node in ast.walk(module.tree):
            match node:
                case ast.Import(names=names) if any(within(n.name, {"unittest.mock", "mock"}) for n in names):
                    yield f"{module.name} imports a mock"
                case ast.ImportFrom(module=str(origin), names=names):
                    full = {origin, *(f"{origin}.{alias.name}" for alias in names)}
                    if any(within(name, {"unittest.mock", "mock"}) for name in full):
                        yield f"{module.name} imports a mock"
                case _:
                    pass


Rule = Callable[[House], Iterator[str]]
RULES: list[Rule] = [
    *(ranks, cycles, island, terminal, purity, core_docstrings),
    *(module_budget, function_budget, median_budget, exports, error_family, no_mocks),
]


def long_function(lines: int) -> str:
    """A function of this many lines."""
    return "def work() -> None:\n" + "    pass\n" * (lines - 1)


WELL_BUILT = {
    "omniedit/__init__.py": (
        '"""Shop."""\n__all__ = ["Late"]\ndef __getattr__(name):\n    from omniedit.flow import river\n'
    ),
    "omniedit/errors.py": (
        "__all__ = ['Gone', 'OmniEditError']\nclass OmniEditError(Exception): ...\nclass Gone(OmniEditError): ..."
    ),
    "omniedit/core/__init__.py": '"""Judgement."""',
    "omniedit/core/naming.py": '"""Rules."""\nfrom omniedit.core import mp4\n__all__ = []',
    "omniedit/core/mp4.py": '"""Rules."""\nfrom ..errors import Gone\n__all__ = ["Gone"]',
    "omniedit/flow/river.py": "from omniedit.core import naming as names\n__all__ = ['names']",
    "omniedit/sandbox/app.py": (
        "from .store import store\nfrom . import store as again\n__all__ = ['store']\nclass Odd(Exception): ..."
    ),
    "omniedit/sandbox/store.py": "__all__ = ['store']\nstore = []",
    "omniedit/cli/terminal.py": "import rich.live\n__all__ = []",
    "omniedit/cli/main.py": "def serve():\n    from omniedit.sandbox.app import store\n__all__ = ['serve']",
    "tests/test_river.py": "import unittest\n",
}
BROKEN: list[tuple[Rule, str, str, str]] = [
    (ranks, "omniedit/core/a.py", "from omniedit.flow import river", "core.a (rank 3) imports omniedit.flow.river"),
    (ranks, "omniedit/core/a.py", "from omniedit.codecs import decode", "imports omniedit.codecs (rank 3)"),
    (ranks, "omniedit/core/a.py", "def f():\n    from omniedit import codecs", "imports omniedit.codecs"),
    (ranks, "omniedit/core/a.py", "if TYPE_CHECKING:\n    import omniedit.api.client", "imports omniedit.api.client"),
    (ranks, "omniedit/flow/a.py", "from omniedit import Client", "imports omniedit (rank 6)"),
    (ranks, "omniedit/media/a.py", "from ..journal import base", "imports omniedit.journal"),
    (ranks, "omniedit/api/a.py", "import importlib\nimportlib.import_module('omniedit.flow.river')", "flow.river"),
    (ranks, "omniedit/attic/a.py", "x = 1", "omniedit.attic.a: the room has no rank"),
    (ranks, "omniedit/flow/a.py", "from omniedit.attic import x", "imports omniedit.attic, which has no rank"),
    (cycles, "omniedit/core/mp4.py", "def f():\n    from omniedit.core import naming", "omniedit.core.mp4 imports"),
    (
        island,
        "omniedit/sandbox/a.py",
        "from omniedit.models import Edit",
        "a is on the island, yet imports omniedit.models",
    ),
    (
        island,
        "omniedit/flow/a.py",
        "import omniedit.sandbox.app",
        "flow.a imports omniedit.sandbox.app from the island",
    ),
    (terminal, "omniedit/cli/main.py", "def f():\n    from rich.table import Table", "cli.main imports rich"),
    *((purity, "omniedit/core/a.py", f"def f():\n    import {name}", f"imports {name}") for name in sorted(IMPURE)),
    (purity, "omniedit/core/a.py", "from datetime import datetime\nx = datetime.now()", "calls datetime.now"),
    (purity, "omniedit/core/a.py", "import datetime\nx = datetime.datetime.now()", "calls datetime.now"),
    (purity, "omniedit/core/a.py", "x = open('y')", "calls open"),
    (core_docstrings, "omniedit/core/a.py", "x = 1", "core.a does not open with a docstring"),
    (module_budget, "omniedit/api/a.py", "x = 1\n" * 401, "api.a has 401 lines"),
    (function_budget, "omniedit/api/a.py", long_function(61), "api.a.work has 61 lines"),
    (median_budget, "omniedit/api/a.py", long_function(9) * 3, "the median function has 9"),
    (exports, "omniedit/api/a.py", "x = 1", "api.a has no literal __all__"),
    (exports, "omniedit/api/a.py", "__all__ = sorted(globals())", "api.a has no literal __all__"),
    (exports, "omniedit/api/a.py", "__all__ = ['b', 'a']\na = b = 1", "__all__ is not sorted"),
    (exports, "omniedit/api/a.py", "__all__ = ['a', 'a']\na = 1", "__all__ is not sorted"),
    (exports, "omniedit/api/a.py", "__all__ = ['ghost']", "__all__ names ghost, which is not there"),
    (error_family, "omniedit/api/a.py", "class Odd(ValueError): ...", "Odd does not descend from OmniEditError"),
    (error_family, "omniedit/api/a.py", "class A(KeyError): ...\nclass _B(A): ...", "_B does not descend"),
    (error_family, "omniedit/cli/a.py", "class Usage(click.UsageError): ...", "Usage does not descend"),
    (no_mocks, "tests/api/test_a.py", "import unittest.mock", "tests.api.test_a imports a mock"),
    (no_mocks, "tests/test_a.py", "from unittest import mock", "tests.test_a imports a mock"),
    (no_mocks, "tests/test_a.py", "def f():\n    from unittest.mock import patch", "tests.test_a imports a mock"),
]


def build(root: Path, files: Mapping[str, str]) -> House:
    """Write a small house and read it back."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return House.read(root)


@pytest.fixture(scope="module")
def real_house() -> House:
    """The house as it stands in this checkout."""
    return House.read(ROOT)


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter, where nothing has been imported yet."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_the_rule(rule: Rule, real_house: House) -> None:
    """Each rule holds in the source of omniedit."""
    assert real_house.modules
    assert list(rule(real_house)) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_well_built_house_pleases_every_rule(rule: Rule, tmp_path: Path) -> None:
    """No rule cries where nothing is wrong."""
    assert list(rule(build(tmp_path, WELL_BUILT))) == []


@pytest.mark.parametrize(
    ("rule", "path", "text", "complaint"), BROKEN, ids=[f"{b[0].__name__}{i}" for i, b in enumerate(BROKEN)]
)
def test_a_planted_violation_is_reported(rule: Rule, path: str, text: str, complaint: str, tmp_path: Path) -> None:
    """Each rule sees what breaks it, and says where."""
    house = build(tmp_path, {**WELL_BUILT, path: text})
    assert complaint in "\n".join(rule(house))


def test_every_rule_has_a_planted_violation() -> None:
    """A rule that nothing can break proves nothing."""
    assert {rule for rule, *_ in BROKEN} == set(RULES)


def test_shop_window_offers_real_things() -> None:
    """Every name in `omniedit.__all__` can be had, though it is imported only when asked for."""
    names: list[str] = getattr(omniedit, "__all__", [])
    missing = [name for name in names if not hasattr(omniedit, name)]
    assert names == sorted(set(names))
    assert missing == []


@pytest.mark.parametrize("heavy", ["aiohttp", "av", "click", "rich"])
def test_importing_omniedit_is_light(heavy: str) -> None:
    """`import omniedit` reads only its own small files; what is heavy comes when it is used."""
    done = run_python(f"import sys, omniedit; print({heavy!r} in sys.modules)")
    assert (done.stdout.strip(), done.returncode) == ("False", 0), done.stderr


@pytest.mark.skipif(not (ROOT / "omniedit/cli/main.py").exists(), reason="the command line is not built yet")
def test_command_without_its_extra_says_how_to_get_it() -> None:
    """The base install has the `omniedit` command too; it names the extra instead of showing a traceback."""
    done = run_python(
        "import sys\n"
        "for name in ('click', 'rich', 'av'): sys.modules[name] = None\n"
        "from omniedit.cli.main import main\n"
        "main()"
    )
    assert done.returncode == 2
    assert "omniedit[cli]" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("heading", ["Try it", "Test it"])
def test_readme_section_holds_one_command(heading: str) -> None:
    """People and continuous integration run the same one line."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = re.split(r"^## ", readme.partition(f"\n## {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
    assert [language for language, _ in blocks] == ["sh"]
    assert len(blocks[0][1].splitlines()) == 1
