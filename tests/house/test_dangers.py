"""Dangerous ways to write the product, each found in its syntax tree: what semgrep rules would say, without semgrep.

Semgrep 1.185 was tried: it pins an OpenTelemetry older than ours, is not permissively licensed, and weighs 386 MB. Each
rule here shows a line that it must find and one that it must leave alone, so that a rule that went blind fails.
"""

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from .test_rules import FILES, ROOT

SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|GRANT|COPY|PRAGMA|NOTIFY|TRUNCATE)\b")
SECRET = re.compile(r"(^|_)(secret|token|csrf|mac|tag|signature|digest|password|cookie)$")
HIDDEN = re.compile(r"(^|_)(secret|seed|token|tokens|csrf|cookie|password|nonce|salt|pseudonym|wrapped)$")
PERSONAL = re.compile(
    r"(^|_)(pseudonyms?|pids?|numbers?|secret|token|cookie|csrf|body|cells?|rows?|label|person|party|path|url|query"
    r"|headers?|reason)$"
)
SENDERS = {"get", "post", "put", "patch", "delete", "head", "request", "stream", "Client", "AsyncClient", "urlopen"}
LOGGERS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
CODE = {"eval", "exec", "compile", "__import__"}
UNPICKLING = {"pickle", "shelve", "marshal", "dill", "joblib", "cloudpickle", "yaml", "jsonpickle"}
PREDICTABLE = {"default_rng", "RandomState", "Random"}
XML = ("xml.etree", "xml.dom", "xml.sax", "xml.parsers", "lxml")

# (rule, file) → how often it is right there, and why.
ALLOWED = {
    ("sql", "gateway/database.py"): (3, "pragmas, columns and tables named in our own code"),
    ("sql", "pseudonymisation/service/store.py"): (1, "pragmas named in our own code"),
    ("sql", "audit/tree.py"): (2, "columns and tables named in our own code"),
    ("sql", "audit/proofs.py"): (1, "as many question marks as there are positions"),
    ("equality", "gateway/receive.py"): (2, "tags of two files of the same sender: it holds both, and learns nothing"),
    ("sql", "audit/guards.py"): (11, "triggers on tables named in our own code"),
    ("sql", "gateway/roles.py"): (6, "tables named in our own code; roles and a database of letters, digits, _"),
    ("equality", "audit/verify.py"): (1, "the root of the empty tree, which everybody knows"),
    ("equality", "gateway/identity.py"): (2, "a row is looked up by the hash of 32 random bytes"),
    ("equality", "pseudonymisation/service/store.py"): (1, "a row is looked up by the digest of a request"),
    ("repr", "gateway/settings.py"): (1, "the label by which a PKCS#11 token is found"),
    ("predictable", "gateway/synthetic/region.py"): (1, "an invented region must be the same again for its seed"),
    ("predictable", "gateway/synthetic/pupils.py"): (2, "likewise its pupils"),
    ("predictable", "disclosure/following.py"): (1, "a change of a table that only has to be no special one"),
    ("predictable", "disclosure/attacker/arithmetic.py"): (1, "likewise"),
}


@dataclass(frozen=True)
class Rule:
    """A danger, how it is found, and a line that has it beside one that does not."""

    name: str
    finds: Callable[[ast.AST], bool]
    bad: tuple[str, ...]
    good: tuple[str, ...]


def last(node: ast.AST) -> str:
    """The last name of `a.b.c` or of a call of it."""
    if isinstance(node, ast.Call):
        return last(node.func)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def first(node: ast.AST) -> str:
    """The first name of `a.b.c`."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def modules(node: ast.AST) -> list[str]:
    """Modules that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [f"{node.module}.{alias.name}" for alias in node.names] if isinstance(node, ast.ImportFrom) else []


def keywords(node: ast.AST) -> dict[str, ast.expr]:
    return {each.arg: each.value for each in node.keywords if each.arg} if isinstance(node, ast.Call) else {}


def is_constant(node: ast.AST | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def runs_text(node: ast.AST) -> bool:
    """Text that is run as a program."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CODE


def unpickles(node: ast.AST) -> bool:
    """Formats that can make any object of what they read."""
    reads = isinstance(node, ast.Call) and (
        last(node) == "read_pickle" or is_constant(keywords(node).get("allow_pickle"), True)
    )
    return reads or any(name.split(".")[0] in UNPICKLING for name in modules(node))


def formats_sql(node: ast.AST) -> bool:
    """A statement put together from text, however it is put together."""
    if isinstance(node, ast.JoinedStr):
        return len(node.values) > 1 and isinstance(node.values[0], ast.Constant) and is_sql(node.values[0])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
        return is_sql(node.left)
    return isinstance(node, ast.Call) and last(node) == "format" and is_sql(getattr(node.func, "value", node))


def is_sql(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value) is not None


def compares_secrets(node: ast.AST) -> bool:
    """A comparison that takes longer the more of a secret is right; `hmac.compare_digest` does not."""
    if not (isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq)):
        return False
    sides = (node.left, *node.comparators)
    constant = any(isinstance(side, ast.Constant) for side in sides)
    return not constant and any(SECRET.search(last(side)) for side in sides)


def is_predictable(node: ast.AST) -> bool:
    """Randomness that can be foretold: whatever must not be guessed comes from `secrets` or `os.urandom`."""
    imports = any(name.split(".")[0] == "random" or name.startswith("numpy.random") for name in modules(node))
    return imports or (isinstance(node, ast.Call) and last(node) in PREDICTABLE)


def waits_for_ever(node: ast.AST) -> bool:
    """A request to another machine without a limit of time."""
    sends = isinstance(node, ast.Call) and last(node) in SENDERS and first(node.func) in {"httpx", "requests", "urllib"}
    return sends and ("timeout" not in keywords(node) or is_constant(keywords(node)["timeout"], None))


def trusts_anybody(node: ast.AST) -> bool:
    """TLS without a check of who is at the other end."""
    off = any(is_constant(keywords(node).get(name), False) for name in ("verify", "verify_ssl", "check_hostname"))
    return off or last(node) in {"_create_unverified_context", "CERT_NONE"}


def logs_a_person(node: ast.AST) -> bool:
    """A log line with a value that can say who or what: an identifier, a secret, an address, a body."""
    if not (isinstance(node, ast.Call) and last(node) in LOGGERS and "logg" in first(node.func).lower()):
        return False
    if any(isinstance(each, ast.JoinedStr) for each in node.args):
        return True
    return any(PERSONAL.search(last(inner)) for each in node.args for inner in ast.walk(each))


def shows_a_secret(node: ast.AST) -> bool:
    """A value class whose text form has a secret in it: one traceback or log line, and it is out.

    Columns say themselves what they hold (`gateway.store.column`), and a class with a text form of its own has thought.
    """
    if not isinstance(node, ast.ClassDef) or any(getattr(each, "name", "") == "__repr__" for each in node.body):
        return False
    return any(
        isinstance(each, ast.AnnAssign)
        and HIDDEN.search(last(each.target)) is not None
        and re.search(r"\b(str|bytes)\b", ast.unparse(each.annotation)) is not None
        and last(each.value or each) != "column"
        and not is_constant(keywords(each.value or each).get("repr"), False)
        for each in node.body
    )


def opens_a_shell(node: ast.AST) -> bool:
    """A command line that a shell takes apart."""
    shell = is_constant(keywords(node).get("shell"), True)
    return shell or (isinstance(node, ast.Call) and first(node.func) == "os" and last(node) in {"system", "popen"})


def trusts_xml(node: ast.AST) -> bool:
    """A parser that follows entities; `defusedxml` does not. Writing XML is no danger."""
    return any(name.startswith(XML) and not name.startswith("xml.sax.saxutils") for name in modules(node))


def unpacks(node: ast.AST) -> bool:
    """An archive that says itself where its files go."""
    return isinstance(node, ast.Call) and last(node) in {"extractall", "unpack_archive", "mktemp"}


def hashes_weakly(node: ast.AST) -> bool:
    """Hash functions with known collisions."""
    name = node.value if isinstance(node, ast.Constant) else last(node)
    return name in ("md5", "sha1")


RULES = (
    Rule("code", runs_text, ("eval(x)", "exec(text)"), ("re.compile(x)", "ast.literal_eval(x)")),
    Rule("pickle", unpickles, ("import pickle", "import yaml", "load(f, allow_pickle=True)"), ("import json",)),
    Rule(
        "sql",
        formats_sql,
        ('f"SELECT {x}"', '"DELETE FROM t WHERE a = " + x', '"UPDATE t SET a = %s" % x', '"INSERT {}".format(x)'),
        ('"SELECT 1"', 'f"selected {x}"', "select(T).where(T.a == x)"),
    ),
    Rule(
        "equality",
        compares_secrets,
        ("given == row.csrf", "token != expected", "a.mac == b"),
        ("hmac.compare_digest(given, row.csrf)", 'token == ""', "a == b"),
    ),
    Rule(
        "predictable",
        is_predictable,
        ("import random", "from random import choice", "np.random.default_rng(1)"),
        ("secrets.token_bytes(32)", "os.urandom(9)"),
    ),
    Rule(
        "timeout",
        waits_for_ever,
        ("httpx.get(url)", "httpx.Client(base_url=u)", "httpx.post(u, timeout=None)", "urllib.request.urlopen(u)"),
        ("httpx.get(url, timeout=5)", "client.get(url)"),
    ),
    Rule(
        "tls",
        trusts_anybody,
        ("httpx.get(u, verify=False, timeout=1)", "ssl._create_unverified_context()", "c.verify_mode = ssl.CERT_NONE"),
        ("httpx.Client(verify=context, timeout=1)",),
    ),
    Rule(
        "logging",
        logs_a_person,
        ('_logger.info("of %s", pseudonym)', 'logging.warning(f"of {x}")', '_logger.error("at %s", request.url)'),
        ('_logger.warning("failed: %s", type(error).__name__)', "math.log(value)", "session.exec(value)"),
    ),
    Rule(
        "repr",
        shows_a_secret,
        ("class A:\n seed: bytes", "class A:\n csrf: str = Field()", "class A:\n log_token: str | None = None"),
        ("class A:\n seed: bytes = field(repr=False)", "class A:\n secret: Path", 'class A:\n csrf: str = column("x")'),
    ),
    Rule("shell", opens_a_shell, ("run(c, shell=True)", "os.system(c)"), ("run([program, argument])",)),
    Rule("xml", trusts_xml, ("import xml.etree.ElementTree", "from lxml import etree"), ("import defusedxml",)),
    Rule("unpack", unpacks, ("archive.extractall(x)",), ("archive.read(name)",)),
    Rule("hash", hashes_weakly, ("hashlib.md5(x)", 'hashlib.new("sha1")'), ("hashlib.sha256(x)",)),
)  # fmt: skip
TREES = {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in FILES}
BY_NAME = pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])


def found(rule: Rule, tree: ast.AST) -> list[int]:
    """Lines in which a rule finds its danger."""
    return [getattr(node, "lineno", 0) for node in ast.walk(tree) if rule.finds(node)]


@BY_NAME
def test_a_rule_finds_its_danger_and_nothing_else(rule: Rule) -> None:
    """Each bad line is found, each good line is not."""
    assert not [line for line in rule.bad if not found(rule, ast.parse(line))]
    assert not [line for line in rule.good if found(rule, ast.parse(line))]


@BY_NAME
def test_the_product_is_free_of_dangers(rule: Rule) -> None:
    """No file of the rooms has the danger, but as often as stands in the table with its reason."""
    wrong = []
    for name, tree in TREES.items():
        lines = found(rule, tree)
        if len(lines) != ALLOWED.get((rule.name, name), (0, ""))[0]:
            wrong.append(f"{name}: {lines}")
    assert not wrong


def test_templates_escape() -> None:
    """No page marks a value as safe HTML, but for the parts that are made of our own words."""
    unsafe = {"parts.html": 1, "audit.html": 1}  # attributes of a field; the sign between two parameters
    pages = {page.name: page.read_text() for page in (ROOT / "gateway" / "web" / "templates").glob("*")}
    marked = {name: len(re.findall(r"\|\s*safe\b|autoescape\s+false", text)) for name, text in pages.items()}
    assert {name: number for name, number in marked.items() if number} == unsafe
