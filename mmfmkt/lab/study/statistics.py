"""What can be said of a difference that was measured with a few seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import mean, stdev

from scipy.stats import t as student_t

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Difference:
    """The mean of the differences of runs with the same seed, and the interval of Student's t that holds it with 95 %.

    Attributes:
        mean: of the differences.
        low: lower end of the interval.
        high: upper end.
        num_seeds: how many seeds both have; with one there is no interval, and its ends are infinite.
    """

    mean: float
    low: float
    high: float
    num_seeds: int

    @property
    def verdict(self) -> str:
        """Which is better: no winner is named where the interval contains zero."""
        if self.low > 0:
            return 'better'
        return 'worse' if self.high < 0 else 'open'


def paired_difference(values: Mapping[int, float], reference: Mapping[int, float]) -> Difference | None:
    """The difference between two kinds of runs, seed -> figure; None if they have no seed in common."""
    differences = [values[seed] - reference[seed] for seed in values if seed in reference]
    if not differences:
        return None
    centre, number = mean(differences), len(differences)
    half = math.inf
    if number > 1:
        half = student_t.ppf((1 + CONFIDENCE) / 2, number - 1) * stdev(differences) / math.sqrt(number)
    return Difference(centre, centre - half, centre + half, number)


def recovered(values: Mapping[int, float], plain: Mapping[int, float], teacher: float) -> list[float]:
    """The share of the gap between plain student and teacher that is recovered, of every seed that both have.

    `(student - plain) / (teacher - plain)`: 0 is the plain student, 1 the teacher. Without a gap there is nothing to
    recover.
    """
    return [
        (values[seed] - plain[seed]) / (teacher - plain[seed])
        for seed in values
        if seed in plain and teacher > plain[seed]
    ]
