"""Records: immutable values that are equal when their fields are."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import envinject
from envinject.record import Record
from envinject.secret import Secret

ROOT = Path(envinject.__file__).parents[1]


class Point(Record):
    """Two numbers and a name."""

    x: int
    y: int = 0
    name: str = "origin"


class Place(Point):
    """A point with more to it, and a field that it gives another default."""

    country: str = "KR"
    name: str = "somewhere"


class Bare(Record):
    """No field at all."""


def test_fields_are_given_by_order_or_by_name_and_have_defaults():
    assert (Point(1).x, Point(1).y, Point(1).name) == (1, 0, "origin")
    assert Point(1, 2, "a") == Point(name="a", y=2, x=1) == Point(1, name="a", y=2)


def test_a_subclass_adds_its_fields_behind_and_may_change_a_default():
    assert Place(1, 2, "here", "JP") == Place(x=1, y=2, name="here", country="JP")
    assert Place(1).name == "somewhere"
    assert Point(1).name == "origin"


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        pytest.param((), {}, id="a field without default is missing"),
        pytest.param((1, 2, "a", 4), {}, id="too many"),
        pytest.param((1,), {"x": 2}, id="a field twice"),
        pytest.param((1,), {"z": 2}, id="no such field"),
    ],
)
def test_fields_that_do_not_fit_are_a_type_error(args, kwargs):
    with pytest.raises(TypeError):
        Point(*args, **kwargs)


def test_a_record_cannot_be_changed():
    point = Point(1)
    with pytest.raises(AttributeError):
        point.x = 2
    with pytest.raises(AttributeError):
        point.z = 2
    with pytest.raises(AttributeError):
        del point.x
    assert point == Point(1)


def test_records_of_different_classes_are_never_equal():
    assert Point(1) != Place(1, name="origin")
    assert Point(1) != (1, 0, "origin")
    assert Bare() == Bare()


@given(st.integers(), st.integers(), st.text())
def test_equal_records_have_one_hash_and_survive_copies(x, y, name):
    point = Point(x, y, name)
    for twin in (Point(x, y, name), copy.copy(point), copy.deepcopy(point), pickle.loads(pickle.dumps(point))):
        assert twin == point
        assert hash(twin) == hash(point)
        assert repr(twin) == repr(point) == f"Point(x={x!r}, y={y!r}, name={name!r})"


@given(st.integers(), st.integers())
def test_replace_changes_some_fields_of_a_new_record(x, y):
    point = Point(x, name="a")
    assert point.replace(y=y) == Point(x, y, "a")
    assert point == Point(x, 0, "a")
    assert type(Place(1).replace(x=2)) is Place


def test_replace_knows_no_new_fields():
    with pytest.raises(TypeError):
        Point(1).replace(z=1)


def test_a_secret_in_a_record_is_not_shown():
    class Holder(Record):
        value: Secret

    assert "hunter2" not in repr(Holder(Secret(b"hunter2")))


def _written_by_hand() -> list[type[Record]]:
    """The records of the package whose `__init__` is written out, since there are thousands of them."""
    for path in sorted(Path(envinject.__file__).parent.rglob("*.py")):
        if "(Record)" in path.read_text():
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    return [kind for kind in Record.__subclasses__() if "__init__" in vars(kind) and kind.__module__ != __name__]


@pytest.mark.parametrize("kind", _written_by_hand(), ids=lambda kind: kind.__name__)
def test_what_is_written_by_hand_has_the_fields_and_defaults_of_the_class(kind):
    parameters = list(inspect.signature(kind).parameters.values())
    assert tuple(one.name for one in parameters) == kind._fields
    assert {one.name for one in parameters if one.default is inspect.Parameter.empty} == kind._needed
    for one in parameters:
        assert one.name in kind._needed or one.default == getattr(kind, one.name)
    values = {name: f"a {name}" for name in kind._fields}
    assert kind(**values).__dict__ == kind(*values.values()).__dict__ == values
