"""Metrics that were made for logits (R, K), on maps (B, C, H, W): KL, DKD, DIST and others.

They compare rows. In a feature map a row is either a location, with its channels as the K entries, or a channel, with
its locations as the entries.
"""

from mmrazor.registry import MODELS
from torch import Tensor, nn

from .build import build_metric


def location_rows(feature: Tensor, length: int) -> Tensor:
    """A map (B, A K, H, W) as rows of `length` K, (B H W A, K): as heads do it, an anchor at a location is a row."""
    return feature.movedim(1, -1).reshape(-1, length)


@MODELS.register_module()
class PerPixelMetric(nn.Module):
    """A metric between the locations of two maps: (B, A K, H, W) -> (B H W A, K), and (B, A K) -> (B A, K).

    With a softmax metric, a distribution over channels at every location is compared; for logits, over the classes.

    Args:
        metric: config of a loss of two (R, K).
        groups: A, into how many rows the channels of a location are split: the anchors of a dense head.

    Raises:
        ValueError: if `groups` is less than 1, or if `metric` is no loss of two features.
    """

    def __init__(self, metric: dict, groups: int = 1) -> None:
        super().__init__()
        if groups < 1:
            raise ValueError(f'`groups` of PerPixelMetric must be at least 1, but got {groups}')
        self.metric, self.groups = build_metric(metric), groups

    def rows(self, feature: Tensor) -> Tensor:
        if feature.shape[1] % self.groups:
            raise ValueError(
                f'`groups` of PerPixelMetric must divide the channels, {feature.shape[1]}, but got {self.groups}'
            )
        return location_rows(feature, feature.shape[1] // self.groups)

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        return self.metric(self.rows(student), self.rows(teacher))


@MODELS.register_module()
class PerChannelMetric(nn.Module):
    """A metric between the channels of two maps: (B, C, H, W) -> (B C, H W).

    With a softmax metric, a distribution over locations is compared for every channel, as CWD does (arXiv:2011.13256).

    Args:
        metric: config of a loss of two (R, K).

    Raises:
        ValueError: if `metric` is no loss of two features.
    """

    def __init__(self, metric: dict) -> None:
        super().__init__()
        self.metric = build_metric(metric)

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        return self.metric(student.flatten(0, 1).flatten(1), teacher.flatten(0, 1).flatten(1))
