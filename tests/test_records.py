"""Our dataclasses mean the same as Python's own."""

from __future__ import annotations

import dataclasses

import pytest

from stackgen import records


def classes(dataclass):
    """The same four classes, made by one dataclass or the other."""

    @dataclass(frozen=True, kw_only=True)
    class Point:
        x: int
        y: int = 0
        names: tuple[str, ...] = dataclasses.field(default_factory=tuple)

    @dataclass(frozen=True)
    class Named(Point):
        name: str = dataclasses.field(default="", kw_only=True)

    @dataclass(frozen=True)
    class Empty:
        pass

    @dataclass
    class Open:
        x: int

    return Point, Named, Empty, Open


OURS, PYTHONS = classes(records.dataclass), classes(dataclasses.dataclass)


def made(of):
    """Objects of each class, some of them equal."""
    point, named, empty, open_ = of
    return [
        point(x=1),
        point(x=1),
        point(x=2, names=("a",)),
        named(x=1),
        named(x=1, name="b"),
        empty(),
        empty(),
        open_(1),
    ]


def test_equality_hash_repr_and_fields_are_those_of_python():
    ours, pythons = made(OURS), made(PYTHONS)
    assert [[one == other for other in ours] for one in ours] == [
        [one == other for other in pythons] for one in pythons
    ]
    assert ours[0] != 1
    assert [repr(one).replace("OURS", "") for one in ours] == [repr(one) for one in pythons]
    assert [dataclasses.asdict(one) for one in ours] == [dataclasses.asdict(one) for one in pythons]
    assert len(set(ours[:-1])) == len(set(pythons[:-1])) == 5
    assert dataclasses.replace(ours[0], y=3) == OURS[0](x=1, y=3)


def test_what_can_change_has_no_hash_and_words_are_asked_for_where_they_were():
    with pytest.raises(TypeError, match="unhashable"):
        hash(OURS[3](1))
    for of in (OURS, PYTHONS):
        with pytest.raises(TypeError, match="positional argument"):
            of[0](1)
        with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'x'"):
            of[0]()


@pytest.mark.parametrize("dataclass", [records.dataclass, dataclasses.dataclass])
def test_what_a_class_does_once_it_is_made_is_done_each_time(dataclass):
    @dataclass
    class Counted:
        many: list[int]
        last: int = 0

        def __post_init__(self):
            self.last = self.many[-1]

    assert [Counted([1, 2]).last, Counted(many=[3]).last] == [2, 3]


@pytest.mark.parametrize("dataclass", [records.dataclass, dataclasses.dataclass])
def test_no_two_share_a_default_that_is_made(dataclass):
    @dataclass
    class Holder:
        items: list[int] = dataclasses.field(default_factory=list)

    first = Holder()
    first.items.append(1)
    assert [Holder().items, Holder([2]).items, Holder(items=[3]).items] == [[], [2], [3]]


@pytest.mark.parametrize("dataclass", [records.dataclass, dataclasses.dataclass])
def test_a_class_below_takes_the_words_of_the_one_above(dataclass):
    @dataclass
    class Above:
        value: int

    class Below(Above):
        pass

    @dataclass
    class Own(Above):
        value: int

        def __init__(self):
            self.value = 7

    assert [Below(1).value, Above(2).value, Own().value, Below(3).value] == [1, 2, 7, 3]


def test_a_method_of_the_class_itself_stays():
    @records.dataclass(frozen=True)
    class Hidden:
        value: str

        def __repr__(self):
            return "<hidden>"

    assert repr(Hidden("a")) == "<hidden>"
    assert Hidden("a") == Hidden("a")
