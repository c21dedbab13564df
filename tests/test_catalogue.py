"""The catalogue of figures and what draws them belong together."""

import inspect
from importlib import import_module

import pytest

from cliphba import tables
from cliphba.figures.catalogue import CATALOGUE


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_figure_is_drawn_from_the_tables_that_the_catalogue_names(name):
    parameters = inspect.signature(import_module(f"cliphba.figures.{name}").draw).parameters
    assert [*CATALOGUE[name].tables, "note"] == list(parameters)
    assert parameters["note"].kind is inspect.Parameter.KEYWORD_ONLY


@pytest.mark.parametrize("name", CATALOGUE)
def test_what_is_said_of_a_figure_is_complete(name):
    entry = CATALOGUE[name]
    assert set(entry.tables.values()) <= {*tables.COLUMNS, "rdm", "embedding"}
    for text in (entry.caption, entry.reading):
        assert text.endswith(".")
        assert "  " not in text
    assert entry.reading.count(". ") == 0, "the gallery has one sentence for each"


def test_titles_tell_figures_apart():
    assert len({(entry.section, entry.title) for entry in CATALOGUE.values()}) == len(CATALOGUE)
