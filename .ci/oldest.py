"""Print the oldest versions that setup.cfg promises to work with, as pip's constraints."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

setup = configparser.ConfigParser()
setup.read(Path(__file__).parents[1] / "setup.cfg")
extras = setup["options.extras_require"]
for requirement in "\n".join([setup["options"]["install_requires"], *extras.values()]).split("\n"):
    if bound := re.fullmatch(r"([\w.-]+)>=([\d.]+)", requirement.strip()):
        print("==".join(bound.groups()))
