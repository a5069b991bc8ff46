"""The figures of the demo as a Markdown table."""
from statistics import mean, stdev
from typing import Sequence

from .evaluation import METRICS

COLUMNS = {**{name: 1 for name in METRICS}, 'params': 2, 'gflops': 3}  # name -> decimals
HEADINGS = {'params': 'Params (M)', 'gflops': 'GFLOPs'}


def cell(values: Sequence[float], decimals: int) -> str:
    """The mean over seeds, with the standard deviation where it is not zero by nature."""
    spread = f' ± {stdev(values):.{decimals}f}' if len(set(values)) > 1 else ''
    return f'{mean(values):.{decimals}f}{spread}'


def markdown_table(first: str, rows: dict[str, Sequence[dict[str, float]]]) -> str:
    """One row a title; its figures are one dict a seed. `first` is the heading of the first column."""
    cells = [[first, *(HEADINGS.get(name, name) for name in COLUMNS)]]
    for title, seeds in rows.items():
        cells.append([title, *(cell([figures[name] for figures in seeds], digits) for name, digits in COLUMNS.items())])
    widths = [max(len(row[k]) for row in cells) for k in range(len(cells[0]))]
    lines = ['| ' + ' | '.join(text.ljust(width) for text, width in zip(row, widths)) + ' |' for row in cells]
    lines.insert(1, '| ' + ' | '.join('-' * width for width in widths) + ' |')
    return '\n'.join(lines)
