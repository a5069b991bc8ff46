"""What the documents say was measured is what the rows say."""

import re

import pytest
from commands import ROOT

from mmfmkt.lab.study.data import CocoFolder
from mmfmkt.lab.study.results import Results, read_rows
from mmfmkt.lab.study.study_file import read_study
from mmfmkt.lab.study.tables import markdown_table, overview

FOLDER = ROOT / 'configs' / 'studies'
FIGURE = re.compile(r'\d+\.\d ± \d+\.\d|[+-]\d+\.\d\d \[[+-]\d+\.\d\d, [+-]\d+\.\d\d\]')


@pytest.fixture(scope='module')
def tables():
    """Heading -> Markdown, made anew of the rows; 'Methods' has all schedules."""
    study = read_study(str(FOLDER / 'digits.yml'), FOLDER / 'digits', data=CocoFolder(FOLDER))
    results = Results.read(FOLDER / 'digits' / 'results.jsonl', study.plain)
    questions = study.questions().items()
    overviews = {title: overview(study, group, results) for title, group in questions if len(group) > 1}
    return {**overviews, **{table.heading: markdown_table(study, table, results) for table in study.tables}}


def test_the_report_has_the_tables_of_the_rows(tables):
    report = (FOLDER / 'digits' / 'report.md').read_text()
    for title, table in tables.items():
        assert f'# {title}\n' in report and table in report, title


def cells(table):
    """The rows of a table in Markdown: what a row is called -> heading -> what stands there."""
    heads, _, *rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in table.splitlines()]
    return {row[0]: dict(zip(heads, row)) for row in rows}


def test_the_table_of_the_results_page_is_that_of_the_rows(tables):
    assert tables['Methods'] in (ROOT / 'docs' / 'results.md').read_text()


def test_the_table_of_the_readme_is_a_part_of_that_of_the_rows(tables):
    lines = (ROOT / 'README.md').read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith('|') and 'gap recovered' in line)
    last = next(number for number, line in enumerate(lines) if number > first and not line.startswith('|'))
    shown, measured = cells('\n'.join(lines[first:last])), cells(tables['Methods'])
    assert len(shown) > 4
    for name, row in shown.items():
        assert row.items() <= measured[name].items(), name


@pytest.mark.parametrize('file', ['README.md', 'docs/results.md', 'docs/studies.md'])
def test_every_mean_and_difference_in_a_text_was_measured(tables, file):
    measured = set(FIGURE.findall('\n'.join(tables.values())))
    assert set(FIGURE.findall((ROOT / file).read_text())) <= measured


def test_the_figures_of_weights_that_were_found_are_those_of_the_rows():
    measured = {
        row['title']: f'{row["figures"]["AP"]:.1f}'
        for row in read_rows(FOLDER / 'digits_weak-decay' / 'results.jsonl')
        if row['run'].endswith('.short') and row['seed'] == 0
    }
    page = (ROOT / 'docs' / 'tried.md').read_text()
    table = page[page.index('| | by hand |') :].partition('\n\n')[0]
    lines = [[cell.strip() for cell in line.strip('|').split('|')] for line in table.splitlines()[2:]]
    assert len(lines) == 10
    for name, _, by_hand, _, found in lines:
        assert (by_hand, found) == (measured[name], measured[f'{name}, weight found']), name
