"""Declared parameters: constructor, signature, legal values and docstring that follow from them."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
import textwrap

import pytest
from numpydoc.docscrape import NumpyDocString
from sklearn.base import BaseEstimator, clone

from skdtl._constraints import Bool, Int, OneOf, Real, check_params
from skdtl._docstrings import composed_docstring, entries_of, sections_of
from skdtl._parameters import DeclaredParameters, parameter
from skdtl.utils import all_estimators


class Shared(DeclaredParameters, BaseEstimator):
    """What a family shares.

    Attributes
    ----------
    n_iter_ : int
        Rounds.
    score_ : float
        The best.

    Raises
    ------
    ValueError
        Always.
    """

    size: int = parameter(default=2, legal=Int(1), text="How large.", kw_only=False)
    lr: float = parameter(
        default=0.1,
        legal=Real(0, closed="neither"),
        text="""
        The rate,
        a small one.
        """,
        last=True,
    )
    kind: str = parameter(default="a", legal=OneOf("a", "b"), text="What kind.", last=True)


class Base(Shared):
    lam: float = parameter(default=1.0, legal=Real(0), text="λ.")
    flag: bool = parameter(default=False, legal=Bool(), text="Whether.")


class Method(Base):
    """Do it.

    Use it.

    Attributes
    ----------
    score_ : float
        The best of two.
    own_ : int
        Its own.

    Notes
    -----
    A note.
    """

    lr: float = parameter(default=0.5)
    kind: str = parameter(default="b", legal=OneOf("b", "c"), text="Another kind.")


class Late(Base):
    """Declare `lam` as another parameter, which stands among those of the class."""

    mu: float = parameter(default=0.0, legal=Real(), text="μ.")
    lam: float = parameter(default=2.0, legal=Real(1), text="Another λ.")


def test_the_signature_has_own_parameters_before_those_that_all_share():
    assert str(inspect.signature(Shared)) == "(size=2, *, lr=0.1, kind='a')"
    signature = "(size=2, *, lam=1.0, flag=False, lr=0.5, kind='b')"
    assert str(inspect.signature(Method)) == signature
    assert str(inspect.signature(Method.__init__)) == f"(self, {signature[1:]}"
    assert Method.__init__.__qualname__ == "Method.__init__"
    assert Method.__init__.__module__ == __name__


def test_a_parameter_that_is_declared_in_full_once_more_stands_among_the_later_ones():
    assert (
        str(inspect.signature(Late)) == "(size=2, *, flag=False, mu=0.0, lam=2.0, lr=0.1, kind='a')"
    )
    assert Late._params["lam"].low == 1 and Base._params["lam"].low == 0


def test_the_constructor_sets_the_parameters_and_nothing_else():
    made = Method(7, lam=3, kind="c")
    assert list(vars(made)) == ["size", "lam", "flag", "lr", "kind"]
    assert vars(made) == {"size": 7, "lam": 3, "flag": False, "lr": 0.5, "kind": "c"}
    value = [1]
    assert Method(flag=value).flag is value


def test_the_class_itself_has_no_values():
    for name in Method._parameters:
        assert not hasattr(Method, name)
    assert Method._parameters["lr"].default == 0.5 and Base._parameters["lr"].default == 0.1


def test_scikit_learn_and_others_see_an_ordinary_estimator():
    made = Method(3, lr=0.2)
    assert made.get_params() == {"size": 3, "lam": 1.0, "flag": False, "lr": 0.2, "kind": "b"}
    assert vars(clone(made)) == vars(copy.deepcopy(made)) == vars(made)
    assert vars(pickle.loads(pickle.dumps(made))) == vars(made)
    assert repr(made) == "Method(lr=0.2, size=3)"
    assert made.set_params(lam=4).lam == 4
    assert not dataclasses.is_dataclass(Method) and not hasattr(Method, "__dataclass_fields__")
    assert not hasattr(Method, "__match_args__") and made != Method(3, lr=0.2)


def test_legal_values_are_those_of_all_parameters():
    assert list(Method._params) == ["size", "lam", "flag", "lr", "kind"]
    check_params(Method(kind="c"))
    check_params(Base(kind="a"))
    for illegal in (Method(kind="a"), Base(kind="c"), Method(size=0), Method(lr=0)):
        with pytest.raises(ValueError, match="must be"):
            check_params(illegal)


@pytest.mark.parametrize(
    "args, options, message",
    [
        ((), {"sizes": 1}, r"^Method has no parameter 'sizes'; did you mean 'size'\?$"),
        ((), {"zzz": 1}, r"^Method has no parameter 'zzz'\.$"),
        ((1,), {"size": 1}, r"^Method got two values for its parameter 'size'\.$"),
        (
            (1, 2),
            {},
            r"^Method takes 1 positional parameters, \['size'\], but 2 were given: the others are "
            r"given by their names\.$",
        ),
    ],
)
def test_errors_name_the_class_that_was_called(args, options, message):
    with pytest.raises(TypeError, match=message):
        Method(*args, **options)


def test_the_docstring_is_put_together():
    expected = """\
    Do it.

    Use it.

    Parameters
    ----------
    size : int >= 1, default=2
        How large.
    lam : float >= 0, default=1.0
        λ.
    flag : bool, default=False
        Whether.
    lr : float > 0, default=0.5
        The rate,
        a small one.
    kind : {"b", "c"}, default="b"
        Another kind.

    Attributes
    ----------
    score_ : float
        The best of two.
    own_ : int
        Its own.
    n_iter_ : int
        Rounds.

    Raises
    ------
    ValueError
        Always.

    Notes
    -----
    A note.
    """
    assert Method.__doc__ == textwrap.dedent(expected)
    NumpyDocString(Method.__doc__)
    assert Base.__doc__ is None


def test_a_subclass_has_what_it_changes_and_inherits_the_rest():
    class Words(Method):
        """Say it otherwise."""

        lam: float = parameter(default=1.5, text="Other words.")
        flag: bool = parameter(default=True, type="a bool, or none")

    assert str(inspect.signature(Words)) == "(size=2, *, lam=1.5, flag=True, lr=0.5, kind='b')"
    assert Words._params == Method._params
    entries = dict(entries_of(sections_of(Words.__doc__)["Parameters"]))
    assert entries["lam"] == "lam : float >= 0, default=1.5\n    Other words."
    assert entries["flag"] == "flag : a bool, or none, default=True\n    Whether."

    class Narrower(Words):
        """Derive the words for the legal values anew."""

        flag: int = parameter(default=1, legal=Int(1, 2))

    entries = dict(entries_of(sections_of(Narrower.__doc__)["Parameters"]))
    assert entries["flag"] == "flag : int in [1, 2], default=1\n    Whether."

    class Default(Words):
        """Change a default alone, of a parameter with a type of its own."""

        flag: bool = parameter(default=False)

    entries = dict(entries_of(sections_of(Default.__doc__)["Parameters"]))
    assert entries["flag"] == "flag : a bool, or none, default=False\n    Whether."


def test_what_all_share_keeps_its_place():
    class Anew(Base):
        lr: float = parameter(default=1.0, legal=Real(0), text="Another.")

    assert list(Anew._parameters) == ["size", "lam", "flag", "lr", "kind"]
    assert Anew._params["lr"].closed == "both"


def test_a_section_of_parameters_that_the_class_writes_stands():
    class Written(Base):
        """Written.

        Parameters
        ----------
        size : int
        """

    sections = sections_of(Written.__doc__)
    assert list(sections) == ["", "Parameters", "Attributes", "Raises"]
    assert sections["Parameters"] == ["size : int", ""]
    assert "lam" in inspect.signature(Written).parameters


def test_a_class_with_a_constructor_of_its_own_is_left_alone():
    class Own(Method):
        """My own."""

        def __init__(self, size=1):
            super().__init__(size, lr=0.25)

    class Heir(Own):
        """Of it."""

    for cls in (Own, Heir):
        assert str(inspect.signature(cls)) == "(size=1)"
        assert vars(cls(5))["lr"] == 0.25 and cls(5).get_params() == {"size": 5}
        assert "Parameters" not in cls.__doc__ and cls._params is Method._params
    message = r"Lost declares the parameters \['mu'\], but the __init__ that Own writes"
    with pytest.raises(TypeError, match=message):
        type("Lost", (Own,), {"mu": parameter(default=1, legal=Int(), text="μ.")})


def test_a_change_needs_something_to_change():
    with pytest.raises(TypeError, match="The parameter 'mu' of Changed is not inherited: it needs"):
        type("Changed", (Base,), {"mu": parameter(default=1)})
    with pytest.raises(TypeError, match="The parameter 'mu' of Wordless is not inherited: it nee"):
        type("Wordless", (Base,), {"mu": parameter(default=1, legal=Int())})


def test_a_positional_parameter_stands_first():
    declared = parameter(default=1, legal=Int(), text="μ.", kw_only=False)
    cls = type("InFront", (Base,), {"mu": declared})
    assert list(inspect.signature(cls).parameters)[:2] == ["size", "mu"]
    assert vars(cls(3, 5)) == {**vars(Base(3)), "mu": 5}


def test_defaults_are_shown_as_one_types_them():
    class Defaults(DeclaredParameters):
        """Show defaults."""

        one: tuple = parameter(default=(3,), legal=Int(), text="1.")
        two: tuple = parameter(default=(-1, "output"), legal=Int(), text="2.")
        many: tuple = parameter(default=tuple(range(9)), legal=Int(), text="3.")
        none: None = parameter(default=None, legal=Int(), text="4.")

    lines = Defaults.__doc__.splitlines()
    shown = [line.rpartition("default=")[2] for line in lines if "default=" in line]
    assert shown == ["(3,)", '(-1, "output")', "(0, 1, ..., 8)", "None"]


def test_a_section_begins_with_a_line_as_long_as_its_title():
    notes = ["A rule", "", "----", "", "--", "Note", "------"]
    docstring = "\n".join(["Do.", "", "Notes", "-----", *notes])
    assert sections_of(docstring) == {"": ["Do.", ""], "Notes": notes}


def test_entries_of_the_class_come_first_and_replace_those_of_the_same_name():
    docstring = "Do.\n\nWarns\n-----\nA\n    Mine.\n"
    bases = ["B.\n\nWarns\n-----\nA\n    Theirs.\nB\n    Theirs.\n", "C.\n\nWarns\n-----\nB\n    x"]
    composed = composed_docstring(docstring, [], bases)
    assert composed == "Do.\n\nWarns\n-----\nA\n    Mine.\nB\n    Theirs.\n"


def subclasses(cls) -> set[type]:
    return {cls}.union(*map(subclasses, cls.__subclasses__()))


def test_type_checkers_know_the_constructor():
    known = DeclaredParameters.__dataclass_transform__
    assert known["field_specifiers"] == (parameter,)
    assert known["kw_only_default"] and not known["eq_default"]
    assert {cls for _, cls in all_estimators()} & subclasses(DeclaredParameters)
    for cls in subclasses(DeclaredParameters):  # what else is annotated, they would take for one
        for name, annotation in inspect.get_annotations(cls).items():
            assert name in cls._declared or annotation.startswith("ClassVar"), (cls, name)


def test_without_docstrings_everything_else_is_there():
    program = """
        import inspect
        from skdtl.mapping import BDA
        print(BDA.__doc__, inspect.signature(BDA).parameters["mu"].default, BDA(mu=1).mu)
    """
    command = [sys.executable, "-OO", "-c", textwrap.dedent(program)]  # which skips `assert`
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.stdout == "None distances 1\n", ran.stderr
