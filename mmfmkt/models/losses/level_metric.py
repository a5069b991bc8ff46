"""What the levels of a pyramid are compared by."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmfmkt.common.building import build_part
from mmfmkt.flow import Trajectory
from mmfmkt.models.flows.student_classifier import StudentClassifier
from mmfmkt.models.metrics.build import ComparesMany, build_metric, reads_of

from .ground_truth import GroundTruth, check_reads

CONNECTORS = ('mmrazor.models.architectures.connectors', 'mmfmkt.models.flows')  # that an error proposes


def fit_size(prediction: Tensor, target: Tensor) -> Tensor:
    """The prediction (B, C, H, W), resized to the target's height and width if they differ by rounding alone.

    Detectors round sizes that their strides do not divide up or down, which makes a difference of one pixel. A larger
    one is another stride: such a prediction is returned as it is.
    """
    if prediction.dim() != 4 or target.dim() != 4 or prediction.shape[2:] == target.shape[2:]:
        return prediction
    if any(abs(own - other) > 1 for own, other in zip(prediction.shape[2:], target.shape[2:])):
        return prediction
    return F.interpolate(prediction, target.shape[2:], mode='bilinear', align_corners=False)


class LevelMetric(nn.Module):
    """What a level is compared by: a metric, the transformation `T` of the student's side, and a weight.

    Args:
        metric: config of the metric, PKD by default.
        transform: config of `T`, to the teacher's channels or to logits; none by default.
        loss_weight: at least 0.

    Raises:
        ValueError: if `loss_weight` is negative, or if a config is not that of a loss or a connector.
    """

    def __init__(self, metric: dict | None, transform: dict | None, loss_weight: float) -> None:
        super().__init__()
        if not isinstance(loss_weight, (int, float)) or loss_weight < 0:
            raise ValueError(f'`loss_weight` must be a number of at least 0, but got {loss_weight!r}')
        self.metric = build_metric(metric)
        self.reads = reads_of(self.metric)
        check_reads(self.reads, self.metric)
        self.transform = (
            nn.Identity() if transform is None else build_part(transform, nn.Module, 'transform', CONNECTORS)
        )
        self.loss_weight = loss_weight

    def predict(self, feature: Tensor, target: Tensor) -> Tensor:
        """`T(feature)`, of the target's height and width unless they differ by more than rounding."""
        return fit_size(self.transform(feature), target)

    def predictions(self, trajectory: Trajectory, target: Tensor) -> list[Tensor]:
        """`predict` of every endpoint."""
        if isinstance(self.transform, StudentClassifier):
            return [fit_size(logits, target) for logits in self.transform.of_endpoints(trajectory)]
        return [self.predict(endpoint, target) for endpoint in trajectory.endpoints]

    def distance(self, prediction: Tensor, target: Tensor, truth: GroundTruth | None = None) -> Tensor:
        """The unweighted metric between a transformed feature and a target of its shape; see :meth:`distances`."""
        return self.distances([prediction], target, truth)[0]

    def distances(
        self, predictions: Sequence[Tensor], target: Tensor, truth: GroundTruth | None = None
    ) -> list[Tensor]:
        """The unweighted metric between each of several transformed features and one target of their shape.

        It is computed in float32 at least. A metric with a method `distances(predictions, target)` is given all at
        once, in the precision and memory layout that they have. What the metric reads besides them is in `truth`.

        Raises:
            ValueError: if the shapes differ, or if the metric returns no scalar.
        """
        for prediction in predictions:
            check_shapes(prediction, target)
        with torch.autocast(target.device.type, enabled=False):
            if isinstance(self.metric, ComparesMany) and not has_newer_forward(self.metric):
                return self.metric.distances(predictions, target)
            dtype = torch.promote_types(predictions[0].dtype, torch.float32)
            # some losses of MMRazor view what they get, which needs the default layout
            target = target.to(dtype).contiguous()
            read = [(truth or {})[name] for name in self.reads]
            return [self.scalar(prediction.to(dtype).contiguous(), target, *read) for prediction in predictions]

    def scalar(self, prediction: Tensor, target: Tensor, *read: list[Tensor]) -> Tensor:
        value = self.metric(prediction, target, *read)
        if value.dim():
            raise ValueError(
                f'`metric` must return a scalar, but {type(self.metric).__name__} returned a tensor of shape '
                f"{tuple(value.shape)}; set its reduction to 'mean'"
            )
        return value


def has_newer_forward(metric: ComparesMany) -> bool:
    """Does a subclass of a metric have a `forward` of its own, which its `distances` know nothing of?"""
    classes = type(metric).__mro__
    forward, distances = (
        next(place for place, each in enumerate(classes) if name in vars(each)) for name in ('forward', 'distances')
    )
    return forward < distances


def check_shapes(prediction: Tensor, target: Tensor) -> None:
    """Raise a ValueError if a transformed feature has not the shape of its target."""
    if prediction.shape != target.shape:
        raise ValueError(
            f'a level must have the same shape in student and teacher, but got (B, C, H, W) = '
            f'{tuple(prediction.shape)} and {tuple(target.shape)}; set `transform` of the loss to a projection of the '
            "student's channels to the teacher's, such as dict(type='mmrazor.ConvModuleConnector', in_channel=..., "
            'out_channel=..., act_cfg=None), or choose a teacher with the same strides and anchors, or set `levels` '
            'of the flow or of the loss'
        )
