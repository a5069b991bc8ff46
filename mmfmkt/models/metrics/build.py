"""Any loss of MMRazor or MMDetection as the metric between two features."""

import inspect
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from mmfmkt.common.building import build_part

PACKAGES = ('mmrazor.models.losses', 'mmfmkt.models.metrics')  # of the metrics that an error proposes


@runtime_checkable
class ComparesMany(Protocol):
    """A metric that compares several features with one target at once, so that it can prepare the target once."""

    def distances(self, predictions: Sequence[Tensor], target: Tensor) -> list[Tensor]:
        """The metric of each, scalars."""


class TeacherLabelled(nn.Module):
    """A metric that wants labels besides two logits (R, K), such as DKD: the teacher's most likely class is the label.

    At most pixels of a feature map there is no object, and in a feature there is no class, so there is no other label.
    """

    def __init__(self, metric: nn.Module) -> None:
        super().__init__()
        self.metric = metric

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        return self.metric(student, teacher, teacher.argmax(1))


def reads_of(metric: nn.Module) -> tuple[str, ...]:
    """What a metric reads of the ground truth besides two features, in the order of its arguments: its `reads`."""
    reads = getattr(metric, 'reads', ())
    if isinstance(reads, str):
        raise ValueError(f"`reads` of a metric must be a tuple, as ('boxes', ), but got {reads!r}")
    return tuple(reads)


def build_metric(config: dict | None) -> nn.Module:
    """A metric from its config, PKD (arXiv:2207.02039) by default; called as `metric(student, teacher)`.

    The arguments may have any names, as long as there are two without a default. A metric that reads more says so by
    its attribute `reads`, as `reads = ('boxes', )`, and gets it after the features, `metric(student, teacher, boxes)`.

    Raises:
        ValueError: if the config is not that of a registered metric, or if that wants something else than features.
    """
    metric = build_part(dict(type='mmrazor.PKDMetric') if config is None else config, nn.Module, 'metric', PACKAGES)
    parameters = inspect.signature(metric.forward).parameters.values()
    required = [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    reads = reads_of(metric)
    if len(required) == 2 + len(reads) and required[2:] == list(reads):
        return metric
    if not reads and len(required) == 3 and required[2] == 'gt_labels':
        return TeacherLabelled(metric)
    raise ValueError(
        f'`metric` must be a loss of two features, metric({", ".join(["student", "teacher", *reads])}), but '
        f'{type(metric).__name__} wants ({", ".join(required)}); one that reads boxes says reads = ("boxes", )'
    )
