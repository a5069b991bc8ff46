"""Any loss of MMRazor or MMDetection as the metric between two features."""

import inspect
from collections.abc import Sequence

from torch import Tensor, nn

from mmfmkt.common.building import build_part


class TeacherLabelled(nn.Module):
    """A metric that wants labels besides two logits (R, K), such as DKD: the teacher's most likely class is the label.

    At most pixels of a feature map there is no object, and in a feature there is no class, so there is no other label.
    """

    def __init__(self, metric: nn.Module) -> None:
        super().__init__()
        self.metric = metric

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        return self.metric(student, teacher, teacher.argmax(1))


def build_metric(config: dict | None, context: Sequence[str] = ()) -> nn.Module:
    """A metric from its config, PKD (arXiv:2207.02039) by default; called as `metric(student, teacher)`.

    The arguments may have any names, as long as there are two without a default, and after them those of `context`, what
    a loss hands on besides the features.

    Raises:
        ValueError: if the config is not that of a registered loss, or if the loss wants something else than features.
    """
    metric = build_part(dict(type='mmrazor.PKDMetric') if config is None else config, nn.Module, 'metric', 'losses')
    parameters = inspect.signature(metric.forward).parameters.values()
    required = [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    if len(required) == 2 + len(context) and required[2:] == list(context):
        return metric
    if not context and len(required) == 3 and required[2] == 'gt_labels':
        return TeacherLabelled(metric)
    raise ValueError(
        f'`metric` must be a loss of two features, metric({", ".join(["student", "teacher", *context])}), but '
        f'{type(metric).__name__} wants ({", ".join(required)})'
    )
