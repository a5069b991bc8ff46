"""What the benchmark found, as tables, as JSON and as a chart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib
import numpy as np

from mmfmkt.common.markdown import markdown_rows

from .cases import STOCK
from .phases import PHASES
from .rounds import Result

matplotlib.use('Agg')
from matplotlib import pyplot as plt

MIB = 2**20


def training_table(results: Sequence[Result], amp: bool) -> str:
    """Seconds, memory and phases of the training; the first result is what the others are compared with.

    Args:
        results: of cases that train.
        amp: all of it runs in mixed precision, and not only what is not deployed.
    """
    phases = [phase for phase in PHASES if any(phase in result.phases for result in results)]
    rows = [['training', 's / iteration', 'x', 'floor', 'MiB', 'x', *phases]]
    for result in results:
        if result.error:
            rows.append([result.case.name, result.error])
            continue
        rows.append(
            [
                result.case.name,
                spread(spent['total'] for spent in result.rounds),
                f'{median(result.ratios):.2f}',
                f'{floor(result, results[0], amp):.2f}',
                f'{result.memory / MIB:.0f}',
                f'{result.memory / results[0].memory:.2f}',
                *(f'{result.phases.get(phase, 0):.3f}' for phase in phases),
            ]
        )
    return markdown_rows(rows)


def inference_table(results: Sequence[Result]) -> str:
    """Seconds of a prediction."""
    rows = [['inference', 's / image', 'x']]
    for result in results:
        rows.append(
            [result.case.name, result.error]
            if result.error
            else [result.case.name, spread(spent['total'] for spent in result.rounds), f'{median(result.ratios):.3f}']
        )
    return markdown_rows(rows)


def floor(result: Result, plain: Result, amp: bool) -> float:
    """The seconds that an iteration takes at the rate of a large matrix product, over those of the plain student.

    Its operations are those of the plain student, of the teacher, and the rest, that is the flow with its backward
    pass; each counts at the rate of the precision that it has by default.
    """
    rate = plain.rates['bfloat16' if amp else 'float32']
    low = max(rate, plain.rates['bfloat16'])  # which a machine that is slower in bfloat16 does not use
    student, teacher = sum(plain.flops.values()), result.flops.get('teacher', 0)
    rest = sum(result.flops.values()) - student - teacher
    own = result.case.name not in STOCK
    seconds = student / rate + teacher / (low if own else rate) + rest / (low if 'theta' in result.case.name else rate)
    return seconds / (student / rate)


def slopes(results: Sequence[Result]) -> list[str]:
    """What each further step costs, for every family of cases that differ in N alone."""
    families: dict[str, list[Result]] = {}
    for result in results:
        if result.case.num_steps and not result.error:
            families.setdefault(result.case.family, []).append(result)
    lines = []
    for family, members in families.items():
        if len(members) > 1:
            steps, ratios = [member.case.num_steps for member in members], [median(member.ratios) for member in members]
            slope, start = np.polyfit(steps, ratios, 1)
            off = max(abs(start + slope * n - ratio) for n, ratio in zip(steps, ratios))
            lines.append(
                f'{family}: {start:.3f} + {slope:.4f} N of the plain student, within {off:.3f} of N = '
                f'{", ".join(map(str, steps))}'
            )
    return lines


def to_json(results: Sequence[Result], about: dict[str, Any]) -> str:
    """Everything that was measured."""
    return json.dumps(
        dict(
            about,
            results=[
                dict(
                    name=result.case.name,
                    trains=result.case.trains,
                    error=result.error,
                    rounds=result.rounds,
                    ratios=result.ratios,
                    memory=result.memory,
                    flops=result.flops,
                    rates=result.rates,
                )
                for result in results
            ],
        ),
        indent=1,
    )


def draw_chart(results: Sequence[Result], title: str, file: Path) -> None:
    """Bars of the seconds of an iteration, in their phases, one under the other."""
    shown = [result for result in results if not result.error]
    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.3 * len(shown)), layout='constrained')
    for number, result in enumerate(shown):
        left = 0.0
        for index, phase in enumerate(PHASES):
            width = result.phases.get(phase, 0)
            axes.barh(number, width, left=left, color=plt.cm.tab10(index), label='' if number else phase)
            left += width
        axes.text(left, number, f' {median(result.ratios):.2f} x', va='center', fontsize=8)
    axes.set_yticks(range(len(shown)), [result.case.name for result in shown], fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.1, y=0.02)
    axes.set(xlabel='seconds', title=title)
    figure.legend(fontsize=8, ncols=len(PHASES), loc='outside lower center')
    figure.savefig(file, dpi=120)
    plt.close(figure)


def spread(values: Sequence[float]) -> str:
    values = list(values)
    return f'{median(values):.3f} ({min(values):.3f}-{max(values):.3f})'
