"""`show` shows the package's own code."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil

import pytest

import nndl
from nndl import fc_net, layers, optim
from nndl._source import Source


def public_functions():
    """Return every public function, class and method of the package, by its full
    name."""
    found = {}
    for info in pkgutil.walk_packages(nndl.__path__, "nndl."):
        if any(part.startswith("_") for part in info.name.split(".")):
            continue
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            if name.startswith("_") or getattr(value, "__module__", None) != info.name:
                continue
            if inspect.isfunction(value) or inspect.isclass(value):
                found[f"{info.name}.{name}"] = value
            if inspect.isclass(value):
                for key, method in vars(value).items():
                    if not inspect.isfunction(method):
                        continue
                    # What a dataclass writes for itself has no source.
                    if inspect.unwrap(method).__code__.co_filename == module.__file__:
                        found[f"{info.name}.{name}.{key}"] = method
    return found


class WithManyDocstrings:
    """First."""

    def method(self):
        """Second.

        With a paragraph.
        """
        return "a string that stays"

    def nested(self):
        def inner():
            "Third."
            return 1

        return inner

    async def waits(self):
        """Fourth."""
        return 2


class OnlyADocstring(Exception):
    """Nothing else in here."""


def only_a_docstring():
    """Nothing else in here."""


# fmt: off
def in_one_line(): "Short."
# fmt: on


def with_a_string_at_the_margin():
    return """
text at the margin
"""


class HoldsOne:
    def with_a_string_at_the_margin(self):
        return """
text at the margin
"""


def test_a_function_is_shown_as_it_is_installed_without_its_docstring():
    text = nndl.show(layers.relu_backward).text
    assert text.splitlines() == [
        '@takes(cache="x (...)", dout="like x")',
        "def relu_backward(dout: Array, cache: Any) -> Array:",
        "    x = cache",
        "    dx = np.where(x > 0, dout, 0)",
        "    return dx",
    ]


def test_the_docstring_is_kept_on_request():
    text = nndl.show(layers.relu_backward, docstring=True).text
    assert text == inspect.getsource(layers.relu_backward).strip()
    assert "the gradient is taken to be 0" in text


def test_a_method_is_shown_from_the_margin():
    text = nndl.show(fc_net.TwoLayerNet.loss).text
    assert text.startswith("def loss(self, X: Array")
    assert "Parameters" not in text


def test_a_class_is_shown_without_any_docstring_of_its_own_or_its_methods():
    tree = ast.parse(nndl.show(fc_net.FullyConnectedNet).text)
    nodes = [
        n for n in ast.walk(tree) if isinstance(n, (ast.ClassDef, ast.FunctionDef))
    ]
    assert len(nodes) >= 5
    assert all(ast.get_docstring(node) is None for node in nodes)


def test_several_functions_are_shown_two_lines_apart():
    text = nndl.show(layers.relu_forward, layers.relu_backward).text
    first, second = (
        nndl.show(f).text for f in (layers.relu_forward, layers.relu_backward)
    )
    assert text == f"{first}\n\n\n{second}"


@pytest.mark.parametrize("docstring", [False, True])
def test_what_is_shown_is_valid_python_for_everything_public_in_the_package(docstring):
    functions = public_functions()
    assert len(functions) > 30
    for name, function in functions.items():
        text = nndl.show(function, docstring=docstring).text
        (node,) = ast.parse(text).body
        assert node.name == name.rpartition(".")[2]
        if not docstring:
            assert ast.get_docstring(node) is None, name


@pytest.mark.parametrize(
    "function",
    [WithManyDocstrings, OnlyADocstring, only_a_docstring, in_one_line, with_a_string_at_the_margin,
     HoldsOne.with_a_string_at_the_margin],
    ids=lambda function: function.__qualname__,
)  # fmt: skip
@pytest.mark.parametrize("docstring", [False, True])
def test_what_is_shown_is_valid_python_for_unusual_functions(function, docstring):
    (node,) = ast.parse(nndl.show(function, docstring=docstring).text).body
    assert node.name == function.__name__


def test_every_docstring_inside_a_class_is_taken_out():
    text = nndl.show(WithManyDocstrings).text
    assert "a string that stays" in text
    assert not any(
        word in text for word in ("First", "Second", "Third", "Fourth", '"""')
    )


def test_a_notebook_shows_highlighted_code_and_a_terminal_plain_text():
    source = nndl.show(layers.relu_forward)
    assert isinstance(source, Source)
    assert source._repr_markdown_() == f"```python\n{source.text}\n```"
    assert repr(source) == source.text


@pytest.mark.parametrize(
    "wrong",
    [3, "relu_forward", None, len, optim._optim.adam_step, property(len)],
    ids=["int", "str", "None", "builtin", "compiled", "property"],
)
def test_what_has_no_python_source_is_a_type_error(wrong):
    with pytest.raises(TypeError, match="there is no Python source for"):
        nndl.show(wrong)


def test_nothing_to_show_is_a_type_error():
    with pytest.raises(TypeError, match="at least one function or class"):
        nndl.show()
