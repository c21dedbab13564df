"""Studies that lack something which the simulated ones have: what is planned, claimed and drawn, and what is not."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest

from cliphba import readable, tables
from cliphba.figures.catalogue import CATALOGUE
from cliphba.figures.wording import Facts
from tests import array_study
from tests.array_study import BIDS, EPOCHS, NO_HALVES, ArrayStudy, settings
from tests.legible import assert_legible

pytestmark = pytest.mark.workflow

#: By name: published RDMs with an RDM of judgements, few people and images; halves of runs with triplets; halves of
#: trials without any judgement, as few images as there may be.
STUDIES = {
    "none": settings(
        "none", people=3, test_images=6, recordings=NO_HALVES,
        behavior={"kind": "model", "model": "other/behavior.safetensors", "rdm": "rdm.tsv"},
    ),
    "runs": settings(
        "runs", people=3, test_images=8, recordings=BIDS,
        behavior={"kind": "tables", "embedding": "embedding.tsv", "triplets": "triplets.tsv"},
    ),
    "trials": settings("trials", people=6, test_images=4, recordings=EPOCHS, behavior={"kind": "clip"}),
}  # fmt: skip
EVALUATIONS = ("judges", "group", "individuals", "dynamics", "layers", "complexity")
RULES = [f"evaluate_{one}" for one in EVALUATIONS] + [
    "summarise",
    "describe_decoding",
    "write_out_table",
    "write_out_headlines",
]


@pytest.fixture(scope="module", params=STUDIES)
def study(request, tmp_path_factory) -> ArrayStudy:
    """A study whose models and recordings are arrays, evaluated."""
    made = array_study.make(tmp_path_factory.mktemp("lacking") / request.param, STUDIES[request.param])
    made.run("summary.md", "headlines.html", "evaluation/decoding.parquet", rules=RULES)
    return made


def everything(study: ArrayStudy) -> dict[Path, pd.DataFrame]:
    """All tables of the evaluation, by path."""
    folder = study.results / "evaluation"
    return {
        path.relative_to(folder): tables.read(path, path.stem)
        for path in sorted(folder.rglob("*.parquet"))
        if path.parent.name != "saliency"
    }


def test_claims_are_those_that_can_be_made(study):
    summary = tables.read(study.results / "summary.parquet", "summary")
    claimed = summary[summary["participant"].isna()].groupby("metric")["model"].agg(set)
    judged, single, halves = study.study.judged, study.study.has_triplets, study.study.has_halves
    assert ("behavior_rho" in claimed) == judged
    assert ("odd_one_out_accuracy" in claimed) == single
    assert "gain_recovery" not in claimed
    assert claimed["identification_margin"] == {"personal", *(["model-free"] if halves else [])}
    # with fewer than five people nothing is compared
    assert ("second_order_rho" in claimed) == (len(study.study.participants) >= 5)
    without = "group without complexity" in claimed["alignment_auc"]
    assert without == (study.study.images.test > 4)
    assert summary[["value", "low", "high"]].notna().all(axis=None)
    assert (summary["p"].notna() == summary["test"].notna()).all()
    assert set(summary["metric"]) <= set(readable.METRICS)


def test_every_row_about_recordings_tells_whether_they_stood_apart(study):
    for path, table in everything(study).items():
        if path.parts[0] == "judges" or "independent_data" not in table:
            continue
        if study.study.has_halves:
            assert table["independent_data"].any(), path
        else:
            assert not table["independent_data"].any(), path
    ceiling = everything(study)[Path("group/ceiling.parquet")]
    assert ceiling["participant"].notna().any() == study.study.has_halves
    assert (study.results / "evaluation/reliability.parquet").exists() == study.study.has_halves


def test_images_are_independent_where_it_is_known_what_models_were_trained_on(study):
    """Of a Behavior model that comes without its study nobody knows; plain CLIP was trained on none of them."""
    alignment = everything(study)[Path("group/alignment.parquet")]
    known = alignment.groupby("model")["independent_images"].all()
    adopted = study.study.data.behavior.kind == "model"
    assert known.to_dict() == {"clip": True, "behavior": not adopted, "group": not adopted}


def test_what_halves_are_made_of_travels_into_every_table(study):
    found = {path: table.attrs["settings"] for path, table in everything(study).items() if path.parts[0] != "judges"}
    assert {one["halves_of"] for one in found.values()} == {study.study.halves_of}
    told = Facts.of(study.study).note().split(";")[0]
    assert told in (study.results / "summary.md").read_text()


def source_of(study: ArrayStudy, figure: str, argument: str, kind: str) -> Path:
    """The table that the workflow draws an argument of a figure from."""
    folder, results = study.results / "evaluation", study.results
    special = {
        ("latencies", "personal"): "individuals/latency",
        ("individuals", "alignment"): "individuals/alignment",
        ("individuals", "contrast"): "individuals/contrast",
        ("complexity", "complexity"): "complexity/alignment",
    }
    if kind == "summary":
        return results / "summary.parquet"
    if (figure, argument) in special:
        return folder / f"{special[figure, argument]}.parquet"
    return next(
        path
        for part in ("group", "individuals", "dynamics", "judges", "layers", "saliency", ".")
        if (path := folder / part / f"{kind}.parquet").exists()
    )


def read(study: ArrayStudy, figure: str, argument: str, kind: str):
    several = {"trials": "epochs/*/*_trials.parquet", "reweighting": "models/*_reweighting.parquet"}
    if kind not in several:
        return tables.read(source_of(study, figure, argument, kind), kind)
    paths = sorted(study.results.glob(several[kind]))
    shown = paths if figure != "reweighting" else paths[:1]
    return {path.stem.removesuffix(f"_{kind}"): tables.read(path, kind) for path in shown}


#: Those that are drawn from tables of the evaluation; pictures and losses have their own tests.
DRAWN = [
    name
    for name, entry in CATALOGUE.items()
    if entry.target == "all" and not {"saliency", "training", "pictures"} & set(entry.tables.values())
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", DRAWN)
def test_figures_are_drawn_of_what_there_is_and_can_be_read(study, name):
    facts, entry = Facts.of(study.study), CATALOGUE[name]
    if not facts.have(entry):
        return
    shown = {argument: read(study, name, argument, kind) for argument, kind in entry.tables.items()}
    written = assert_legible(import_module(f"cliphba.figures.{name}").draw(**shown, note=facts.note()))
    if not study.study.has_halves:
        assert not re.search("half|Model-free|held-out MEG", "\n".join(written))


#: Of each kind of study the rules of its evaluation that are planned, and the figures that are not drawn.
PLANNED = {
    "none": ({"evaluate_judges", "import_rdm", "adopt_behavior"}, {"data_quality", "odd_one_out", "external"}),
    "runs": ({"evaluate_judges", "preprocess", "decode_test_rdm", "tune_behavior"}, {"external"}),
    "trials": (
        {"import_epochs", "decode_test_rdm", "adopt_behavior"},
        {"behavior", "dynamic_behavior", "odd_one_out", "external"},
    ),
}
OPTIONAL = {name for rules, _ in PLANNED.values() for name in rules} | {"recover_truth", "draw_stimuli", "decode_rdm"}


@pytest.mark.parametrize("name", PLANNED)
def test_a_plan_has_the_jobs_of_what_there_is(name, tmp_path):
    given = STUDIES[name]
    folder = array_study.lay_out(tmp_path, given)
    rules, missing = PLANNED[name]
    planned = re.findall(r"^(?:local)?rule (\w+):$", folder.snakemake("-n", "all"), flags=re.MULTILINE)
    rules = rules | ({"decode_rdm"} if folder.study.has_halves else set())
    assert OPTIONAL & set(planned) == rules
    everywhere = {f"evaluate_{one}" for one in EVALUATIONS[1:]} | {"summarise", "describe_decoding", "map_saliency"}
    assert everywhere <= set(planned)
    figures = {figure for figure, entry in CATALOGUE.items() if entry.target == "all" and not entry.moving}
    assert planned.count("draw_figure") == len(figures - missing)
    for target in ("ablations", "held_out_participants"):
        folder.snakemake("-n", target)
