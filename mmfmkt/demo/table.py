"""The figures of the demo as a Markdown table."""
from statistics import mean, stdev
from typing import Sequence

from mmfmkt.markdown import markdown_rows

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
    return markdown_rows(cells)
