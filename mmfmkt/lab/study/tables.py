"""The comparisons of a study as Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mmfmkt.common.markdown import markdown_rows
from mmfmkt.common.spread import spread

from .plan import Study, Table, unscheduled
from .results import Results
from .statistics import CONFIDENCE, Difference

METRICS = ('AP', 'AP50', 'APs', 'APm')


def markdown_table(study: Study, table: Table, results: Results) -> str:
    """One row a method: metrics, gap, difference to the reference, costs."""
    reference = study.title_of(table.reference)
    rows = [
        [
            '',
            'seeds',
            *METRICS,
            'gap recovered',
            f'AP - {reference} ({CONFIDENCE:.0%})',
            'verdict',
            'training',
            'inference',
            'Params (M)',
        ]
    ]
    for row in table.rows:
        if not results.has(row):
            rows.append([study.title_of(row), '0'])
            continue
        difference = results.difference(row, table.reference)
        rows.append(
            [
                study.title_of(row),
                str(len(results.figures(row, 'AP'))),
                *(cell(results, row, metric) for metric in METRICS),
                percent(results.recovered(row)),
                interval(difference),
                difference.verdict if difference else '',
                times(results.training(row)),
                times(results.inference(row)),
                cell(results, row, 'params', 2),
            ]
        )
    width = len(rows[0])
    return markdown_rows([row + [''] * (width - len(row)) for row in rows])


def overview(study: Study, tables: Sequence[Table], results: Results) -> str:
    """The same comparison after each schedule, in one table: AP and gap after each, then the costs."""
    rows = [['', *(f'{name}, {table.schedule}' for table in tables for name in ('AP', 'gap recovered'))]]
    rows[0] += ['training', 'inference']
    by_table = [{unscheduled(row): row for row in table.rows} for table in tables]
    for name in dict.fromkeys(name for of_table in by_table for name in of_table):
        own = [of_table.get(name, '') for of_table in by_table]
        measured = [row if row and results.has(row) else '' for row in own]
        cells = [text for row in measured for text in (ap_and_gap(results, row) if row else ('', ''))]
        first = next(filter(None, measured), '')  # an iteration costs the same in every schedule
        costs = [times(results.training(first)), times(results.inference(first))] if first else ['', '']
        rows.append([study.title_of(next(filter(None, own))), *cells, *costs])
    return markdown_rows(rows)


def ap_and_gap(results: Results, row: str) -> tuple[str, str]:
    return cell(results, row, 'AP'), percent(results.recovered(row))


def cell(results: Results, row: str, metric: str, decimals: int = 1) -> str:
    values = list(results.figures(row, metric).values())
    return spread(values, decimals) if values else ''


def interval(difference: Difference | None) -> str:
    if not difference:
        return ''
    ends = '' if math.isinf(difference.low) else f' [{signed(difference.low)}, {signed(difference.high)}]'
    return f'{signed(difference.mean)}{ends}, n = {difference.num_seeds}'


def signed(value: float) -> str:
    return (
        f'{round(value, 2) + 0.0:+.2f}'  # never -0.00; the second decimal shows on which side of zero an interval ends
    )


def percent(shares: list[float]) -> str:
    return f'{spread([100 * share for share in shares], 0)} %' if shares else ''


def times(ratio: float | None) -> str:
    return f'{ratio:.2f} x' if ratio else ''
