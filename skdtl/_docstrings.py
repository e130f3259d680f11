"""Docstrings in numpydoc's form, of which some sections are put together from several places."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

# In numpydoc's order, between the prose and all other sections.
_INHERITED = ("Attributes", "Raises", "Warns")


def sections_of(docstring: str) -> dict[str, list[str]]:
    """Return the lines of each section by its title; the prose before them has the title ""."""
    sections: dict[str, list[str]] = {"": []}
    lines = sections[""]
    for line in inspect.cleandoc(docstring).splitlines():
        if line and lines and set(line) == {"-"} and len(line) == len(lines[-1]):
            lines = sections.setdefault(lines.pop(), [])
        else:
            lines.append(line)
    return sections


def entries_of(lines: Iterable[str]) -> list[tuple[str, str]]:
    """Return what a section lists: pairs of a name and the whole text, in which the name is."""
    entries: list[list[str]] = []
    for line in lines:
        if line and not line.startswith(" "):
            entries.append([line])
        elif entries:
            entries[-1].append(line)
    return [(entry[0].partition(" : ")[0], "\n".join(entry).rstrip()) for entry in entries]


def composed_docstring(docstring: str, parameters: Iterable[str], bases: Iterable[str]) -> str:
    """Return the docstring of a class with what it has in common with others.

    Parameters
    ----------
    docstring : str
        What the class itself says: prose, and the sections that are its own.
    parameters : iterable of str
        The entries of its section of parameters, unless it has one of its own.
    bases : iterable of str
        The docstrings of its base classes. What they list under Attributes, Raises and Warns
        follows the class's own entries, of which one replaces those of the same name.

    Returns
    -------
    str
        Without indentation.
    """
    rest = sections_of(docstring)
    inherited = [sections_of(base) for base in bases]
    sections = {"": rest.pop(""), "Parameters": list(parameters)}
    for title in _INHERITED:
        entries = entries_of(rest.pop(title, ()))
        for section in inherited:
            known = {name for name, _ in entries}
            new = entries_of(section.get(title, ()))
            entries += [(name, text) for name, text in new if name not in known]
        sections[title] = [text for _, text in entries]
    blocks = []
    for title, lines in (sections | rest).items():
        text = "\n".join(lines).strip("\n")
        if text:
            blocks.append(f"{title}\n{'-' * len(title)}\n{text}" if title else text)
    return "\n\n".join(blocks) + "\n"
