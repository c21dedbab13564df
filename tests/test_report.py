"""The report of the tiny study, opened in Chromium without a network and clicked through as a reader would."""

from __future__ import annotations

import base64
import json
import re

import pytest

from cliphba.figures.catalogue import CATALOGUE, MAIN_TABLES, SECTIONS, heading
from cliphba.figures.wording import Facts
from tests import browser
from tests.tiny_study import RESULTS, snakemake

pytestmark = pytest.mark.workflow

FIGURES = [name for name, entry in CATALOGUE.items() if entry.target == "all"]
# what a reader does; each waits until the page shows what was asked for
ACTIONS = """
const comes = async (find, what) => {
    for (let waits = 0; waits < 1000; waits++) {
        const found = find();
        if (found) return found;
        await new Promise((resume) => setTimeout(resume, 10));
    }
    throw new Error(`${what} does not come`);
};
const all = (selector) => [...document.querySelectorAll(selector)];
const text = (element) => element.textContent.replace(/\\s+/g, " ").trim();
const rows = () => all("table.table-auto tbody tr");
const titles = () => rows().map((row) => text(row.cells[0]));
const home = async () => {
    document.querySelector("nav ol a").click();
    await comes(() => entries().length, "the menu");
};
const menu = () => all("li > a").filter((link) => !link.closest(".prose"));
const entries = () => menu().map(text).filter((entry) => /^[0-9] /.test(entry));
const section = async (name) => {
    await home();
    menu().find((entry) => text(entry) === name).click();
    return comes(() => titles().length && titles(), `the list of ${name}`);
};
const button = (title, index) => rows().find((row) => text(row.cells[0]) === title).querySelectorAll("a")[index];
const picture = async (title, other) => {
    button(title, 0).click();
    const shown = await comes(
        () => all("img").find((image) => image.src !== other && image.src !== logo_uri && image.naturalWidth), title
    );
    return [shown.src, shown.naturalWidth];
};
const table = async (title) => {
    button(title, 0).click();
    return (await comes(() => document.querySelector("iframe"), title)).src;
};
const caption = async (title) => {
    button(title, 1).click();
    return text(await comes(() => document.querySelector(".prose-invert"), `the caption of ${title}`));
};
"""


@pytest.fixture(scope="module")
def report(study):
    """Path of the tiny study's report."""
    snakemake(study, "all", "--report", "report.html")
    return study / "report.html"


@pytest.fixture(scope="module")
def page(report, tmp_path_factory):
    """The report in a browser."""
    binary = browser.find()
    if not binary:
        pytest.skip(f"there is no Chromium to open the report with (sought: {', '.join(browser.NAMES)})")
    with browser.page(binary, tmp_path_factory.mktemp("browser")) as shown:
        shown.open(report)
        shown.run(ACTIONS)
        yield shown


def call(page, action, *arguments):
    return page.run(f"{action}({', '.join(map(json.dumps, arguments))})")


def content(address):
    """Bytes that a data address holds."""
    return base64.b64decode(address.partition("base64,")[2])


def flat(text):
    return " ".join(text.split())


def test_report_is_made_with_or_without_a_browser_to_open_it(report):
    assert report.stat().st_size > 1_000_000


def test_sections_stand_in_order_and_nothing_else(page):
    assert call(page, "entries") == [heading(section) for section in SECTIONS]


def test_introduction_names_the_study_and_leads_to_every_section(page):
    call(page, "home")
    told = page.run('comes(() => document.querySelector(".prose"), "the introduction").then(text)')
    assert "Study tiny" in told
    assert "of 3 participants" in told
    assert "value [95 % interval]" in told
    assert "simulated" in told
    for section in map(heading, SECTIONS):
        # and a question behind it
        assert re.search(rf"{section}: \w", told)
    page.run(f'all(".prose li a").find((link) => text(link) === "{heading("Group")}").click()')
    assert "Alignment over time" in page.run('comes(() => titles().length && titles(), "the list")')


@pytest.mark.parametrize("section", SECTIONS[:-1])
def test_a_section_has_its_figures_and_no_others(page, section):
    expected = [CATALOGUE[name].title for name in FIGURES if CATALOGUE[name].section == section]
    assert sorted(call(page, "section", heading(section))) == sorted(expected)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_shown_with_its_caption(page, study, name):
    entry = CATALOGUE[name]
    call(page, "section", heading(entry.section))
    if entry.moving:
        shown = call(page, "table", entry.title)
    else:
        shown, width = call(page, "picture", entry.title)
        assert width > 100
    kind = "html" if entry.moving else "svg"
    assert content(shown) == (study / RESULTS / f"figures/{name}.{kind}").read_bytes()
    caption = call(page, "caption", entry.title)
    assert caption.startswith(flat(Facts().caption(entry.caption)))
    assert f"{RESULTS}/" in caption
    assert "Simulated data" in caption


@pytest.mark.parametrize(
    ("title", "file"), [("Headlines", "headlines.html"), (MAIN_TABLES["summary"].title, "summary.html")]
)
def test_a_table_is_shown_with_its_caption(page, study, title, file):
    assert title in call(page, "section", heading("Tables"))
    assert content(call(page, "table", title)) == (study / RESULTS / file).read_bytes()
    assert "summary.parquet" in call(page, "caption", title)


def test_statistics_are_drawn(page):
    call(page, "home")
    page.run('menu().find((entry) => text(entry) === "Statistics").click()')
    assert page.run(
        'comes(() => document.querySelectorAll("#runtimes canvas, #runtimes svg").length, "the runtimes")'
    )


# after all others, which have looked at everything
def test_nothing_was_asked_of_a_network_and_nothing_went_wrong(page):
    assert {address.partition(":")[0] for address in page.requests()} == {"file", "data"}
    assert page.errors() == []
