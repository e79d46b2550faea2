"""Rules of the house that no ready-made linter knows; `make lint` runs them and prints the sizes."""

import ast
import re
import shutil
import statistics
import subprocess
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from audit.events import Event

ROOT = Path(__file__).parents[2]
ROOMS = ("gateway", "pseudonymisation", "disclosure", "policies", "audit")
TOP = {
    ".ci", ".gitignore", "CHANGELOG.md", "LICENCE", "Makefile", "README.md", "benchmarks", "pyproject.toml",
    "requirements-dev.lock", "requirements-extras.lock", "requirements.lock", "tests", *ROOMS,
}  # fmt: skip

# Where time, randomness, keys and files may be touched; everywhere else they are handed in.
EDGE = {
    "audit": {"log", "sequencer", "verify", "witness"},
    "disclosure": set(),
    "gateway": {
        "app", "backup", "cli", "collections", "context", "demo", "http", "identity", "jobs", "messages", "pseudonyms",
        "publish", "receive", "settings", "store", "web", "witnesses",
    },
    "policies": {"engine", "purpose"},
    "pseudonymisation": {"client", "errors", "hsm", "kek", "keyring", "private_file", "service"},
}  # fmt: skip
IMPURE = {
    "open", "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns",
    "os.urandom", "os.environ", "uuid.uuid4", "uuid.uuid1",
}  # fmt: skip
IMPURE_MODULES = {"random", "secrets"}
IMPURE_METHODS = {"read_text", "read_bytes", "write_text", "write_bytes"}

# One choke point per danger: the only file that may import the package.
CHOKE_POINTS = {
    "voprf": "pseudonymisation/oprf.py",
    "cedarpy": "policies/engine.py",
    "opendp": "disclosure/noise.py",
}
MAX_FILE, MAX_FUNCTION = 400, 40
SHORT = 9  # what is no longer may be written twice


def product_files() -> list[Path]:
    """Every Python file of the five rooms, migrations left out: those are history, not code to read."""
    return sorted(
        path
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if "__pycache__" not in path.parts and "versions" not in path.parts
    )


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method in a tree."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def length(node: ast.stmt) -> int:
    """Lines of a statement, its decorators left out."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def dotted(node: ast.expr) -> str:
    """`a.b.c` of a name or attribute chain, shortened to its last two parts."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        parts.append(node.id)
    return ".".join(reversed(parts[:2]))


def imported(tree: ast.AST) -> Iterator[str]:
    """Top-level packages a module imports, lazily or not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def place(path: Path) -> tuple[str, str]:
    """The room of a file and its module or sub-package within the room."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0], parts[1]


FILES = product_files()
by_file = pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])


def test_what_an_extra_adds_is_locked() -> None:
    """Every extra is in the lock of extras, and so in the bill of materials made from it."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    asked = {re.split(r"[^\w-]", one)[0] for name, added in extras.items() if name != "dev" for one in added}
    locked = set(re.findall(r"(?m)^([\w-]+)==", (ROOT / "requirements-extras.lock").read_text("utf-8")))
    assert {"distributed", "python-pkcs11"} <= asked
    assert asked - locked == set()


def test_what_is_imported_is_asked_for() -> None:
    """No package comes only because another one needs it today."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = [one for name, added in project["optional-dependencies"].items() if name != "dev" for one in added]
    asked = {re.split(r"[^\w-]", one)[0] for one in (*project["dependencies"], *extras)}
    of = {
        name: {one.lower().replace("_", "-") for one in many}
        for name, many in packages_distributions().items()
        if name not in ROOMS
    }
    used = {name for path in FILES for name in imported(ast.parse(path.read_text())) if name in of}
    assert {name for name in used if not of[name] & asked} == set()


def test_top_level_is_closed() -> None:
    """A file or folder at the top without a place fails the build."""
    git = shutil.which("git") or "git"
    listed = subprocess.run([git, "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split("/")[0] for line in listed.splitlines()} <= TOP


@by_file
def test_files_and_functions_are_short(path: Path) -> None:
    """At most 400 lines a file and 40 a function; a longer function says why on its `def` line: `# long: …`."""
    source = path.read_text()
    lines = source.splitlines()
    assert len(lines) <= MAX_FILE
    too_long = [
        f"{node.name}: {length(node)} lines"
        for node in functions(ast.parse(source))
        if length(node) > MAX_FUNCTION and "# long: " not in lines[node.lineno - 1]
    ]
    assert not too_long


@by_file
def test_decisions_are_pure(path: Path) -> None:
    """Only the modules at the edge read clocks, files, the environment or randomness."""
    room, module = place(path)
    if module in EDGE[room]:
        return
    tree = ast.parse(path.read_text())
    found = [name for name in imported(tree) if name in IMPURE_MODULES]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            if name in IMPURE or name.split(".")[-1] in IMPURE_METHODS:
                found.append(f"{name} in line {node.lineno}")
        elif isinstance(node, ast.Attribute) and dotted(node) == "os.environ":
            found.append(f"os.environ in line {node.lineno}")
    assert not found


@by_file
def test_dangers_have_one_choke_point(path: Path) -> None:
    """`voprf`, `cedarpy` and `opendp` are each imported by one file only."""
    name = str(path.relative_to(ROOT))
    wrong = [package for package in imported(ast.parse(path.read_text())) if CHOKE_POINTS.get(package, name) != name]
    assert not wrong


@by_file
def test_asserts_do_not_guard_the_product(path: Path) -> None:
    """`assert` vanishes under `-O`: a broken invariant raises the room's exception."""
    assert not [node.lineno for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Assert)]


def test_every_test_states_its_property() -> None:
    """Each test has a docstring: one sentence that says what holds."""
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in functions(ast.parse(path.read_text()))
        if node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert not silent


def test_no_public_name_is_dead() -> None:
    """Every public function and class is used by the product, or its room's README lists it as interface."""
    sources = {path: path.read_text() for path in FILES}
    readmes = "\n".join(path.read_text() for path in ROOT.glob("*/README.md"))
    templates = "\n".join(path.read_text() for path in (ROOT / "gateway").rglob("*.html"))
    everything = "\n".join([*sources.values(), templates, (ROOT / "pyproject.toml").read_text()])
    dead = []
    for path, source in sources.items():
        for node in ast.parse(source).body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            if node.name.startswith("_") or (node.decorator_list and not isinstance(node, ast.ClassDef)):
                continue
            if everything.count(node.name) == 1 and f"`{node.name}" not in readmes:
                dead.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert not dead


def test_every_event_is_written() -> None:
    """The closed list of the log has no event that nothing in the product names."""
    elsewhere = "\n".join(path.read_text() for path in FILES if path != ROOT / "audit" / "events.py")
    assert not [event.name for event in Event if not re.search(rf"Event\.{event.name}\b", elsewhere)]


def test_a_constant_of_the_hallway_is_written_once() -> None:
    """No two of its modules name the same words, but for whose a page is, and for the demo, which makes things up."""
    found: dict[str, set[Path]] = {}
    for path in FILES:
        if place(path)[0] != "gateway" or place(path)[1] == "demo":
            continue
        for node in ast.parse(path.read_text()).body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                    said = ast.unparse(node.value) if node.value else ""
                    if name.isupper() and name != "ROLE" and len(said) > SHORT:
                        found.setdefault(said, set()).add(path)
    assert not {said: places for said, places in found.items() if len(places) > 1}


def sizes() -> str:
    """Median, 90th percentile and maximum of module and function length."""
    modules = [len(path.read_text().splitlines()) for path in FILES]
    bodies = [length(node) for path in FILES for node in functions(ast.parse(path.read_text()))]

    def row(name: str, values: list[int]) -> str:
        p90 = statistics.quantiles(values, n=10)[-1]
        return f"{name}: {len(values)}, median {statistics.median(values):.0f}, p90 {p90:.0f}, max {max(values)} lines"

    return f"{row('modules', modules)}\n{row('functions', bodies)}"


if __name__ == "__main__":
    print(sizes())  # noqa: T201  the sizes are what `make lint` shows
