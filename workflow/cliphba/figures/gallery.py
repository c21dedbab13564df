"""The gallery of the documentation: every figure with how to read it.

``python -m cliphba.figures.gallery results/demo/figures docs`` takes the pictures from the first folder and writes
``gallery.md`` and ``images/`` in the second; ``make gallery`` also makes the figures.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from PIL import Image

from cliphba.figures.catalogue import CATALOGUE, Entry, Section
from cliphba.tables import write_atomically

#: Colours to which a drawing is reduced: as many as a byte can tell apart, which makes it three times smaller.
COLOURS = 256
#: More colours than this are those of photographs, which are to keep them.
PHOTOGRAPH = 10_000
INTRODUCTION = """\
# Gallery

Every figure of the demo study, by the sections of its report, with one sentence on how to read it. The report
(`snakemake --report report.html`) has the same figures with captions: what is seen, on what data, and in which tables
the numbers stand. The data are simulated. `make gallery` makes this page and its pictures again; do not edit it.
"""


def page(catalogue: Mapping[str, Entry]) -> str:
    """Write the page, by section, the figures of each as the catalogue has them."""
    sections = {
        section: [_part(name, entry) for name, entry in catalogue.items() if entry.section == section]
        for section in get_args(Section)
    }
    told = [f"## {section}\n\n" + "\n".join(parts) for section, parts in sections.items() if parts]
    return "\n".join([INTRODUCTION, *told])


def _part(name: str, entry: Entry) -> str:
    return (
        f"### {entry.title}\n\n![{entry.title}](images/{name}.{entry.picture})\n\n{' '.join(entry.reading.split())}\n"
    )


def shrink(png: bytes) -> bytes:
    """Make a picture take less space: a drawing by fewer colours, which nobody sees; not so a photograph."""
    image, sink = Image.open(io.BytesIO(png)).convert("RGB"), io.BytesIO()
    if image.getcolors(PHOTOGRAPH):
        image = image.quantize(COLOURS, kmeans=5)
    image.save(sink, format="png", optimize=True)
    return min(png, sink.getvalue(), key=len)


def collect(figures: Path, catalogue: Mapping[str, Entry]) -> dict[str, bytes]:
    """Read the pictures of all figures, by their files' names.

    Raises
    ------
    ValueError
        If some of them are not there.
    """
    paths = [figures / f"{name}.{entry.picture}" for name, entry in catalogue.items()]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise ValueError(f"{figures} lacks {', '.join(missing)}: `make gallery` makes every figure first")
    return {path.name: path.read_bytes() for path in paths}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the gallery; arguments are those of the process by default."""
    parser = argparse.ArgumentParser(prog="python -m cliphba.figures.gallery")
    parser.add_argument("figures", type=Path, help="folder with the figures of a study")
    parser.add_argument("docs", type=Path, help="folder to write gallery.md and images/ in")
    given = parser.parse_args(arguments)
    try:
        pictures = collect(given.figures, CATALOGUE)
    except ValueError as error:
        parser.error(str(error))
    for name, picture in pictures.items():
        small = picture if name.endswith(".gif") else shrink(picture)
        write_atomically(given.docs / "images" / name, small)
    write_atomically(given.docs / "gallery.md", page(CATALOGUE).encode())


if __name__ == "__main__":
    main()
