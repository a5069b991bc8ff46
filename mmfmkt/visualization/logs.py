"""What the JSON logs of a run say, whatever has interrupted it."""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOG = '*/vis_data/scalars.json'
FLOW = re.compile(r'flow/(?P<loss>.+)/level(?P<level>\d+)/(?P<name>[^/]+)')
Curve = dict[int, float]  # iteration (or epoch) -> value


@dataclass(frozen=True)
class Validation:
    """Metrics of one validation.

    Attributes:
        iteration: the last one that was logged before it.
        epoch: after which it took place; None in a run that counts iterations.
        metrics: name -> value.
    """

    iteration: int
    epoch: int | None
    metrics: dict[str, float]


@dataclass
class RunLog:
    """The log of one run.

    Attributes:
        name: what the run is called in charts.
        training: iteration -> entry, with the losses.
        flow: iteration -> entry of :class:`~mmfmkt.engine.hooks.FlowLogHook`, with values that are not finite.
        validations: epoch, or iteration in a run that counts these -> validation.
    """

    name: str
    training: dict[int, dict[str, float]] = field(default_factory=dict)
    flow: dict[int, dict[str, float]] = field(default_factory=dict)
    validations: dict[int, Validation] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """The name without the seed: runs that share it differ in nothing else."""
        return re.sub(r'_seed\d+$', '', self.name)

    def loss_names(self) -> list[str]:
        """The names of everything logged in training, in the order of the log."""
        return list(dict.fromkeys(key for entry in self.training.values() for key in entry))

    def loss(self, name: str) -> Curve:
        return curve(self.training, lambda entry: entry.get(name))

    def task_loss(self) -> Curve:
        """The sum of the detector's own losses, without what distillation adds (`distill.*`; `flow.*` of OFM-KT^Θ).

        What it adds need not be in every iteration that an entry is the mean of, so the total does not tell.
        """

        def of(entry: dict[str, float]) -> float | None:
            own = [key for key in entry if 'loss' in key and not key.startswith(('distill.', 'flow.'))]
            return sum(entry[key] for key in own if key != 'loss') if 'loss' in entry else None

        return curve(self.training, of)

    def metric(self, name: str, by_epoch: bool) -> Curve:
        """A metric over epochs or iterations; negative values, COCO's sign for 'there are none', are left out."""
        return {
            validation.epoch if by_epoch else validation.iteration: validation.metrics[name]
            for validation in self.validations.values()
            if validation.metrics.get(name, -1) >= 0
        }

    def counts_epochs(self) -> bool:
        return all(validation.epoch is not None for validation in self.validations.values())

    def flow_levels(self) -> dict[str, list[int]]:
        """The levels of every loss with a flow of which anything is finite."""
        keys = {key for entry in self.flow.values() for key in finite(entry)}
        matches = filter(None, map(FLOW.fullmatch, keys))
        found = {(match['loss'], int(match['level'])) for match in matches}
        return {
            loss: sorted(level for name, level in found if name == loss) for loss in sorted({name for name, _ in found})
        }

    def flow_value(self, loss: str, level: int, name: str) -> Curve:
        """`output_error` or `ambiguity` of a level."""
        return curve(self.flow, lambda entry: finite(entry).get(f'flow/{loss}/level{level}/{name}'))

    def flow_steps(self, loss: str, level: int) -> dict[float, Curve]:
        """The metric of the steps, by their time t, from 1 down: of N steps the i-th is at t = 1 - (i - 1) / N.

        N may differ between iterations, where it is drawn.
        """
        steps: dict[float, Curve] = {}
        prefix = f'flow/{loss}/level{level}/step'
        for iteration, entry in self.flow.items():
            numbers = [int(key.removeprefix(prefix)) for key in entry if key.startswith(prefix)]
            for number in numbers:
                if math.isfinite(entry[f'{prefix}{number}']):
                    steps.setdefault(1 - (number - 1) / len(numbers), {})[iteration] = entry[f'{prefix}{number}']
        return dict(sorted(steps.items(), reverse=True))


def curve(entries: dict[int, dict[str, float]], value_of: Callable[[dict[str, float]], float | None]) -> Curve:
    values = {iteration: value_of(entry) for iteration, entry in entries.items()}
    return {iteration: value for iteration, value in values.items() if value is not None}


def read_runs(folders: Sequence[str | Path], names: Sequence[str] | None = None) -> list[RunLog]:
    """Read the logs of several runs.

    Args:
        folders: the work dir of each run.
        names: what the runs are called, one a run; by default as their folders.

    Raises:
        ValueError: if a folder is not there, has no log or a damaged one, if there are more or fewer names than
            folders, or if two runs have the same name.
    """
    names = [Path(folder).resolve().name for folder in folders] if names is None else names
    if len(names) != len(folders):
        raise ValueError(
            f'--names must be one for each of the {len(folders)} folders, but got {len(names)}: {", ".join(names)}'
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(
            f'names of runs must differ, but there are several called {", ".join(twice)}: set them with --names'
        )
    return [read_run(Path(folder), name) for folder, name in zip(folders, names)]


def read_run(folder: Path, name: str) -> RunLog:
    """Read the logs of one run: `<timestamp>/vis_data/scalars.json` of every start; each goes on from the last."""
    if not folder.is_dir():
        raise ValueError(f'a run must be the folder of its training (--work-dir), but {folder} is no folder')
    log = RunLog(name)
    for file in sorted(folder.glob(LOG)):
        go_on(log, list(read_entries(file)))
    if not log.counts_epochs():  # also in the validations before the first entry, which do not tell
        log.validations = {step: Validation(step, None, found.metrics) for step, found in log.validations.items()}
    if not log.training and not log.validations:
        raise ValueError(
            f'{folder} has no entries in {LOG}: it must be the folder of a training (--work-dir) that has come to '
            'its first entry, with a LocalVisBackend, which MMDetection has by default'
        )
    return log


def read_entries(file: Path) -> Iterator[dict[str, Any]]:
    """The entries of a log; its last line may be cut off, if the run was killed."""
    lines = file.read_text(errors='replace').splitlines()
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            if not isinstance(entry, dict):
                raise ValueError(line)
            yield entry
        except ValueError:
            if number < len(lines):
                raise ValueError(
                    f'every line of a log must be a JSON object, but line {number} of {file} is {line[:80]!r}: '
                    'remove the line'
                ) from None


def go_on(log: RunLog, entries: Sequence[dict[str, Any]]) -> None:
    """Add the entries of a start; what was logged before and beyond its first iteration is superseded."""
    first = min((entry['step'] for entry in entries if is_training(entry) or is_flow(entry)), default=None)
    if first is not None:
        log.training = {iteration: entry for iteration, entry in log.training.items() if iteration < first}
        log.flow = {iteration: entry for iteration, entry in log.flow.items() if iteration < first}
        log.validations = {step: found for step, found in log.validations.items() if found.iteration < first}
    for entry in entries:
        step, numbers = entry.get('step'), finite(entry)
        if is_training(entry):
            log.training[step] = numbers
        elif is_flow(entry):
            log.flow[step] = entry
        elif step is not None:
            add_validation(log, step, numbers)


def finite(entry: dict[str, Any]) -> dict[str, float]:
    """The numbers of an entry that can be drawn."""
    return {key: value for key, value in entry.items() if isinstance(value, (int, float)) and math.isfinite(value)}


def is_training(entry: dict[str, Any]) -> bool:
    return 'loss' in entry and 'step' in entry


def is_flow(entry: dict[str, Any]) -> bool:
    return 'step' in entry and any(key.startswith('flow/') for key in entry)


def add_validation(log: RunLog, step: int, metrics: dict[str, float]) -> None:
    """MMEngine numbers validations by epochs, or by iterations, which are never fewer than those logged before."""
    last = max(log.training, default=0)
    by_iteration = bool(log.training) and step >= last
    log.validations[step] = Validation(step if by_iteration else last, None if by_iteration else step, metrics)
