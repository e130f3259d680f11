"""Where the files of the data sets that do not ship with the package lie."""

from __future__ import annotations

import os
from pathlib import Path

ENVIRONMENT_VARIABLE = "SKDTL_DATA"


def data_file(folder: str, name: str, data_home: str | os.PathLike | None = None) -> Path:
    """Path of ``folder/name`` under the data home, checked to exist.

    Parameters
    ----------
    folder : str
        Folder of the data set, "mushroom" say.
    name : str
        File in that folder.
    data_home : path-like or None, default=None
        The folder that holds all data sets; None reads the environment variable ``SKDTL_DATA``.

    Returns
    -------
    path : pathlib.Path

    Raises
    ------
    FileNotFoundError
        No data home was given, or the file is not in it.
    """
    home = data_home if data_home is not None else os.environ.get(ENVIRONMENT_VARIABLE)
    if not home:
        raise FileNotFoundError(
            f"{folder}/{name} does not ship with skdtl: set the environment variable "
            f"{ENVIRONMENT_VARIABLE} to the folder that holds '{folder}', or pass data_home="
        )
    path = Path(home).expanduser() / folder / name
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist (data_home or {ENVIRONMENT_VARIABLE} is {os.fspath(home)!r})"
        )
    return path
