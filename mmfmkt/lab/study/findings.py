"""What a table of a study says, in words."""

from __future__ import annotations

from statistics import mean

from .plan import Study, Table
from .results import Results
from .tables import METRICS, interval, percent


def findings(study: Study, table: Table, results: Results) -> str:
    """A list of what the differences to the reference allow to say, and of what they leave open; '' without any."""
    reference = study.title_of(table.reference)
    differences = {
        row: difference
        for row in table.rows
        if results.has(row) and (difference := results.difference(row, table.reference))
    }
    if not differences:
        return ''
    lines = []
    if share := percent(results.recovered(table.reference)):
        lines.append(f'{reference} recovers {share} of the gap.')
    for verdict, begin in (
        ('better', f'Better than {reference}'),
        ('worse', f'Worse than {reference}'),
        ('open', 'Open'),
    ):
        titles = [study.title_of(row) for row, difference in differences.items() if difference.verdict == verdict]
        lines.append(f'{begin}: {"; ".join(titles) or "none"}.')
    best = max(differences, key=lambda row: mean(results.figures(row, 'AP').values()))
    by_metric = {metric: results.difference(best, table.reference, metric) for metric in METRICS}
    if by_metric['AP'].mean > 0:
        lines.append(
            f'The highest mean of the others has {study.title_of(best)}. Its differences: '
            + '; '.join(f'{metric} {interval(difference)}' for metric, difference in by_metric.items() if difference)
            + '.'
        )
    return '\n'.join(f'- {line}' for line in lines)
