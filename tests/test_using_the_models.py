"""The guide to using models: every command and every block of code in it runs, in their order."""

import re
import shlex
from itertools import chain
from pathlib import Path

import pytest

from cliphba import cli
from cliphba.clip.backbone import load_backbone
from tests.conftest import ROOT
from tests.finished_study import SEED, draw_pictures, make_study
from tests.small_clip import make_backbone

GUIDE = (ROOT / "docs/using-the-models.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", GUIDE, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where a reader would be: a study that is done, and a folder of pictures."""
    folder = tmp_path_factory.mktemp("guide")
    backbone = load_backbone(make_backbone(tmp_path_factory.mktemp("clip") / "backbone", seed=SEED), "cpu")
    make_study(folder / "results/demo", backbone)
    draw_pictures(folder / "new_pictures", ("axe", "bed", "cat", "dog", "egg"))
    return folder


def run_commands(block):
    for line in block.splitlines():
        program, *arguments = shlex.split(line, comments=True)
        assert program == "cliphba"
        given = [sorted(map(str, Path().glob(one))) if "*" in one else [one] for one in arguments]
        assert cli.main(list(chain.from_iterable(given))) == 0, line


def test_everything_in_it_runs_as_it_stands(place, monkeypatch):
    monkeypatch.chdir(place)
    names: dict[str, object] = {}
    for language, block in BLOCKS:
        if language == "python":
            exec(block, names)
        else:
            run_commands(block)
    assert names["embedding"].values.shape == (2, 5, 6)
    assert len(names["means"]) == 3
    assert len(names["timed"]) == 3 * 10 * 10
    assert len(names["at_100_ms"]) == 5
    assert {path.name for path in (place / "sub-02").iterdir()} >= {"README.md", "merged", "peft", "rdms.h5"}


def test_it_names_every_command_about_models_and_every_part(capsys):
    for command in ("embed", "compare", "export"):
        assert f"cliphba {command} " in GUIDE
    with pytest.raises(SystemExit):
        cli.main(["export", "--help"])
    (parts,) = set(re.findall(r"--what \{(.*?)\}", capsys.readouterr().out.replace("\n", "")))
    for part in parts.split(","):
        assert f"| `{part}` |" in GUIDE
