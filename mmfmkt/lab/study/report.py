"""The report of a study: tables, what they say, charts, and how to read them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmfmkt.common.files import write_whole
from mmfmkt.visualization.html_page import html_page

from .charts import draw_costs, draw_table
from .epochs_chart import draw_epochs
from .findings import findings
from .plan import Study, Table
from .results import Results
from .tables import markdown_table, overview

HOW_TO_READ = """\
COCO box AP in points, mean ± sample standard deviation over the seeds. *Gap recovered* is (student - plain) / (teacher - plain) of
runs with the same seed. Differences are between runs with the same seed, with the 95 % interval of Student's t;
*better* and *worse* are said where that interval excludes zero, *open* where it does not: more seeds would be needed. Of {comparisons}
comparisons, one in twenty would be expected to exclude zero by chance. *Training* is the time of all iterations, measured by models
that take turns, and *inference* the multiply-adds, both over the plain student's."""  # noqa: E501 (a paragraph of the report, as it stands in the published ones)


def write_report(study: Study, results: Results, out: Path) -> Path:
    """Write `report.md`, its charts, and `report.html`, which holds them, into a folder, and return the first."""
    lines = [
        f'# {study.title}',
        HOW_TO_READ.format(comparisons=len(comparisons(study, results))),
        'Measured on ' + '; '.join(machines(results)) + '.',
    ]
    if draw_epochs(study, results, out / 'epochs.png'):
        lines += ['![AP over epochs](epochs.png)']
    for tables in study.questions().values():
        lines += section(study, tables, results, out)
    if draw_costs(study, study.tables[0], results, out / 'costs.png'):
        lines += ['## Costs', '![AP over training time](costs.png)']
    report = out / 'report.md'
    text = '\n\n'.join(line.strip() for line in lines if line) + '\n'
    write_whole(report, text)
    write_whole(report.with_suffix('.html'), html_page(text, out))
    return report


def comparisons(study: Study, results: Results) -> set[frozenset[str]]:
    """The pairs of rows that can be found to differ, those of one seed cannot; a pair in several tables is one."""
    pairs = {(row, table.reference) for table in study.tables for row in table.rows if results.has(row)}
    differences = {pair: results.difference(*pair) for pair in pairs}
    return {frozenset(pair) for pair, found in differences.items() if found and found.num_seeds > 1}


def section(study: Study, tables: Sequence[Table], results: Results, out: Path) -> list[str]:
    """A comparison: after each schedule by itself, before that of all of them."""
    lines = [f'## {tables[0].title if len(tables) > 1 else tables[0].heading}', tables[0].note]
    if len(tables) > 1:
        lines.append(overview(study, tables, results))
    for table in tables:
        chart = out / f'table{study.tables.index(table) + 1}.png'
        draw_table(study, table, results, chart)
        lines += [
            f'### {table.heading}' if len(tables) > 1 else '',
            markdown_table(study, table, results),
            findings(study, table, results),
            f'![{table.heading}]({chart.name})',
        ]
    return lines


def machines(results: Results) -> list[str]:
    """What the runs were measured on."""
    found = [row['machine'] for seeds in results.rows.values() for row in seeds.values()]
    return list(
        dict.fromkeys(
            f'{one["machine"]}, {one["cores"]} cores, GPU: {one["gpu"]}, torch {one["torch"]}' for one in found
        )
    )
