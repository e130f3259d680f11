"""Constructor parameters that are declared once, for all that is made of them.

What a parameter is, its name, default, legal values and meaning, is one fact. A class says it in
its body::

    class Smoothing(DeclaredParameters, TransferEstimator):
        width: float = parameter(
            default=1.0,
            legal=Real(0, closed="neither"),
            text="The width of the window.",
        )

and ``__init__`` with its signature, ``_params`` for `check_params` and the section of parameters in
the docstring follow from it. A subclass inherits parameters as it does methods. A type checker
knows the constructor by `typing.dataclass_transform`; a dataclass of the standard library it is
not, since libraries look at the fields of these alone.
"""

from __future__ import annotations

import difflib
import inspect
from dataclasses import dataclass, replace
from textwrap import indent
from typing import Any, ClassVar, dataclass_transform

from ._constraints import documented_type
from ._docstrings import composed_docstring


@dataclass(frozen=True)
class Parameter:
    """What is declared of a constructor parameter, or of a change to an inherited one."""

    default: Any
    legal: Any
    text: str | None
    type: str | None
    kw_only: bool
    last: bool

    def changed_by(self, other: Parameter) -> Parameter:
        """Return this parameter with the facts that another declaration states anew."""
        return replace(
            other,
            legal=self.legal if other.legal is None else other.legal,
            text=self.text if other.text is None else other.text,
            type=self.type if other.legal is None and other.type is None else other.type,
            last=self.last or other.last,
        )

    def entry(self, name: str) -> str:
        """Return the parameter's entry in a docstring."""
        kind = self.type or documented_type(self.legal)
        text = indent(inspect.cleandoc(self.text or ""), "    ")
        return f"{name} : {kind}, default={_as_written(self.default)}\n{text}"

    def of_signature(self, name: str) -> inspect.Parameter:
        """Return the parameter as `inspect` knows it."""
        kind = inspect.Parameter.KEYWORD_ONLY if self.kw_only else _POSITIONAL
        return inspect.Parameter(name, kind, default=self.default)


_POSITIONAL = inspect.Parameter.POSITIONAL_OR_KEYWORD


def parameter(
    *,
    default: Any,
    legal: Any = None,
    text: str | None = None,
    type: str | None = None,
    kw_only: bool = True,
    last: bool = False,
) -> Any:
    """Declare a constructor parameter, in the body of a class.

    Declared again in a subclass, a parameter keeps those of `legal`, `text` and `type` that are not
    given. With `legal` it is another one of the same name, which stands among the subclass's own.

    Parameters
    ----------
    default : object
        Its default.
    legal : constraint, None or tuple of these
        Its legal values, as `check_params` takes them.
    text : str
        What it means, in the words of the docstring.
    type : str, default=None
        How the docstring names its legal values; None derives it from `legal`.
    kw_only : bool, default=True
        Whether it must be given by its name; those that need not stand first.
    last : bool, default=False
        Whether it stands behind the parameters that subclasses declare of their own, always in the
        same place: for those that all of a family share.

    Returns
    -------
    declaration : Any
        What the class keeps of it, until ``__init__`` is made; a type checker sees the default.

    Examples
    --------
    >>> from skdtl import DeepTransferClassifier
    >>> from skdtl.base import parameter
    >>> class Patient(DeepTransferClassifier):
    ...     max_epochs: int = parameter(default=1000)
    >>> Patient().max_epochs
    1000
    """
    return Parameter(default, legal, text, type, kw_only, last)


@dataclass_transform(eq_default=False, kw_only_default=True, field_specifiers=(parameter,))
class DeclaredParameters:
    """Base class of those whose bodies declare the constructor's parameters.

    A class that writes an ``__init__`` of its own is left alone, and so are its subclasses. In
    annotations that declare no parameter ``ClassVar`` stands, or a type checker takes them for one.
    """

    _declared: ClassVar[dict[str, Parameter]] = {}
    _parameters: ClassVar[dict[str, Parameter]] = {}
    _params: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        cls._declared = {
            name: value for name, value in vars(cls).items() if isinstance(value, Parameter)
        }
        for name in cls._declared:
            delattr(cls, name)  # an instance has it, once it is made
        owner = next(base for base in cls.__mro__ if "__init__" in vars(base))
        if owner is not object and "_parameters" not in vars(owner):
            if cls._declared:
                raise TypeError(
                    f"{cls.__name__} declares the parameters {list(cls._declared)}, but the "
                    f"__init__ that {owner.__name__} writes knows nothing of them."
                )
            return
        cls._parameters = _in_order(cls)
        cls._params = {name: declared.legal for name, declared in cls._parameters.items()}
        setattr(cls, "__init__", _constructor(cls))  # noqa: B010
        if cls.__doc__:
            bases = (base.__doc__ for base in cls.__mro__[1:] if "_declared" in vars(base))
            entries = (declared.entry(name) for name, declared in cls._parameters.items())
            cls.__doc__ = composed_docstring(cls.__doc__, entries, filter(None, bases))


def _in_order(cls: type) -> dict[str, Parameter]:
    """Return all parameters of a class, in the order of its signature."""
    found: dict[str, Parameter] = {}
    for base in reversed(cls.__mro__):
        for name, declared in vars(base).get("_declared", {}).items():
            known = found.get(name)
            if known is None:
                if declared.legal is None or declared.text is None:
                    raise TypeError(
                        f"The parameter {name!r} of {base.__name__} is not inherited: it needs "
                        "both `legal` and `text`."
                    )
                found[name] = declared
                continue
            if declared.legal is not None and not known.last:
                del found[name]
            found[name] = known.changed_by(declared)
    return dict(sorted(found.items(), key=lambda item: (item[1].kw_only, item[1].last)))


def _constructor(cls: type):
    """Return the ``__init__`` that sets each parameter and does nothing else."""
    parameters: dict[str, Parameter] = cls._parameters  # type: ignore[attr-defined]
    defaults = {name: declared.default for name, declared in parameters.items()}
    positional = [name for name, declared in parameters.items() if not declared.kw_only]

    def __init__(self, *args, **kwargs):
        name_of_class = type(self).__name__
        if len(args) > len(positional):
            raise TypeError(
                f"{name_of_class} takes {len(positional)} positional parameters, {positional}, but "
                f"{len(args)} were given: the others are given by their names."
            )
        given = dict(zip(positional, args))
        for name in kwargs:
            if name in given:
                raise TypeError(f"{name_of_class} got two values for its parameter {name!r}.")
            if name not in defaults:
                close = difflib.get_close_matches(name, defaults, n=1)
                hint = f"; did you mean {close[0]!r}?" if close else "."
                raise TypeError(f"{name_of_class} has no parameter {name!r}{hint}")
        for name, value in (defaults | given | kwargs).items():
            setattr(self, name, value)

    receiver = inspect.Parameter("self", _POSITIONAL)
    signature = [declared.of_signature(name) for name, declared in parameters.items()]
    __init__.__signature__ = inspect.Signature([receiver, *signature])  # type: ignore[attr-defined]
    __init__.__module__, __init__.__qualname__ = cls.__module__, f"{cls.__qualname__}.__init__"
    return __init__


def _as_written(value) -> str:
    """Return a default as a docstring shows it."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        shown = [_as_written(entry) for entry in value]
        if len(shown) > 6:
            shown = [*shown[:2], "...", shown[-1]]
        return f"({', '.join(shown)}{',' if len(shown) == 1 else ''})"
    return repr(value)
