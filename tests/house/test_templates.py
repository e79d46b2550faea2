"""Templates: what they are given they read, and what they import they use."""

import ast
from collections.abc import Iterator

from jinja2 import Environment, meta, nodes

from .test_rules import FILES, ROOT

TREES = {
    file.name: Environment(autoescape=True).parse(file.read_text())
    for file in (ROOT / "gateway" / "web" / "templates").glob("*.html")
}
EVERY_PAGE = {"status", "exercise"}  # of the answer, and of the frame


def reach(name: str) -> set[str]:
    """A template and all that it extends, includes or imports."""
    direct = [other for other in meta.find_referenced_templates(TREES[name]) if other is not None]
    return {name}.union(*map(reach, direct))


def given() -> Iterator[tuple[str, str]]:
    """Every keyword of `page(…)` in the product, with the template that it goes to."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name(id="page"), args=[_, _, ast.Constant(value=str(name)), *_]):
                    yield from ((name, each.arg) for each in node.keywords if each.arg not in {None, *EVERY_PAGE})


def names_in(tree: nodes.Node) -> list[str]:
    """Names that a template, or a part of it, reads."""
    return [name.name for name in tree.find_all(nodes.Name) if name.ctx == "load"]


def test_a_template_reads_what_it_is_given() -> None:
    """No page is made with a value that its template, or one that it draws on, never names."""
    read = {name: set().union(*(meta.find_undeclared_variables(TREES[one]) for one in reach(name))) for name in TREES}
    pairs = list(given())
    assert ("national.html", "view") in pairs
    assert not [(name, keyword) for name, keyword in pairs if keyword not in read[name]]


def test_a_template_uses_what_it_imports() -> None:
    """No import stands in a template that names nothing of it."""
    idle = [
        (name, each.target)
        for name, tree in TREES.items()
        for each in tree.find_all(nodes.Import)
        if each.target not in names_in(tree)
    ]
    assert not idle


def test_a_macro_reads_its_parameters() -> None:
    """No caller passes what a macro never looks at."""
    idle = [
        (name, macro.name, each.name)
        for name, tree in TREES.items()
        for macro in tree.find_all(nodes.Macro)
        for each in macro.args
        if each.name not in names_in(macro)
    ]
    assert not idle
