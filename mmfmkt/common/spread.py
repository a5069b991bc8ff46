"""Several measurements of one figure in a few characters."""

from collections.abc import Sequence
from statistics import mean, stdev


def spread(values: Sequence[float], decimals: int) -> str:
    """The mean, with the sample standard deviation where there are several that are not equal by nature."""
    deviation = f' ± {stdev(values):.{decimals}f}' if len(set(values)) > 1 else ''
    return f'{mean(values):.{decimals}f}{deviation}'
