"""The lowest versions that pyproject.toml allows, as constraints for pip: python tests/lowest.py.

torch stands at the version of constraints.txt: of older ones the registry has only builds with gigabytes of CUDA.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINNED = dict(
    line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").split() if "==" in line
)


def bounds(*extras: str) -> dict[str, str]:
    """The lower bound of everything that Lamina, or it with extras, asks for by itself."""
    wanted = [
        *PROJECT["dependencies"],
        *(want for extra in extras for want in PROJECT["optional-dependencies"][extra]),
    ]
    found = (re.fullmatch(r"([\w.-]+)>=([\d.]+)", want) for want in wanted if not want.startswith("lamina["))
    return {bound[1]: bound[2] for bound in found if bound}


def main() -> None:
    extras = [extra for extra in PROJECT["optional-dependencies"] if extra != "dev"]
    for name, version in (bounds(*extras) | {"torch": PINNED["torch"]}).items():
        print(f"{name}=={version}")


if __name__ == "__main__":
    main()
