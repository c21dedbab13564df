"""Write environment.yaml, the conda twin of the locked requirements.txt beside it: the same versions, from pip."""

import re
from pathlib import Path

HERE = Path(__file__).parent
PIN = re.compile(r"^([A-Za-z0-9_.-]+==[^\s\\;]+)(\s*;\s*[^\\]+)?", re.MULTILINE)


def twin(lock: str) -> str:
    """Give the conda environment with the versions of a lock, without its hashes."""
    pins = [name + (condition or "").rstrip() for name, condition in PIN.findall(lock)]
    lines = [f'      - "{pin}"' for pin in pins]
    head = [
        "# Generated from requirements.txt by `make lock`; the library itself is imported from this repository.",
        "channels:",
        "  - conda-forge",
        "dependencies:",
        "  - python =3.12",
        "  - pip",
        "  - pip:",
    ]
    return "\n".join(head + lines) + "\n"


if __name__ == "__main__":
    (HERE / "environment.yaml").write_text(twin((HERE / "requirements.txt").read_text()))
