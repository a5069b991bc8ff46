"""Losses between levels whose metric looks at the ground truth."""

import contextlib
from collections.abc import Iterator, Sequence

from mmdet.structures.bbox import get_box_tensor
from mmrazor.registry import MODELS
from torch import Tensor

from mmfmkt.flow import Trajectory

from .feature_loss import FeatureLoss
from .fmkt_loss import FMKTLoss
from .fmkt_theta_loss import FMKTThetaLoss


class ReadsBoxes:
    """Hands the boxes of the images to the metric, `metric(student, teacher, boxes)`: those of every image, (n, 4) as x1, y1, x2, y2,
    divided by width and height of the padded batch, to lie in [0, 1].
    """

    CONTEXT = ('boxes',)

    @contextlib.contextmanager
    def reading(self, data_samples: list) -> Iterator[None]:
        self.context = ([relative_boxes(sample) for sample in data_samples],)
        try:
            yield
        finally:
            self.context = ()


@MODELS.register_module()
class BoxFeatureLoss(ReadsBoxes, FeatureLoss):
    """A :class:`FeatureLoss` whose metric reads boxes, as FGD's does. Takes the arguments of :class:`FeatureLoss`."""

    def forward(
        self,
        student_features: Tensor | Sequence[Tensor],
        teacher_features: Tensor | Sequence[Tensor],
        data_samples: list,
    ) -> Tensor:
        """The loss of all levels, a scalar.

        Args:
            student_features: see :class:`FeatureLoss`.
            teacher_features: see there.
            data_samples: those of the batch (`type='mmrazor.DataSamples'`).
        """
        with self.reading(data_samples):
            return super().forward(student_features, teacher_features)


class BoxFlowLoss(ReadsBoxes):
    def forward(
        self,
        trajectories: dict[int, Trajectory] | Sequence[Trajectory],
        teacher_features: Tensor | Sequence[Tensor],
        data_samples: list,
    ) -> Tensor:
        """The loss of all levels, a scalar.

        Args:
            trajectories: see :class:`FMKTLoss`.
            teacher_features: see there.
            data_samples: those of the batch (`type='mmrazor.DataSamples'`).
        """
        with self.reading(data_samples):
            return super().forward(trajectories, teacher_features)


@MODELS.register_module()
class BoxFMKTLoss(BoxFlowLoss, FMKTLoss):
    """An :class:`FMKTLoss` whose metric reads boxes. Takes the arguments of :class:`FMKTLoss`."""


@MODELS.register_module()
class BoxFMKTThetaLoss(BoxFlowLoss, FMKTThetaLoss):
    """An :class:`FMKTThetaLoss` whose metric reads boxes. Takes the arguments of :class:`FMKTThetaLoss`."""


def relative_boxes(sample: object) -> Tensor:
    """The boxes (n, 4) of a data sample in units of the padded image."""
    boxes = get_box_tensor(sample.gt_instances.bboxes)
    height, width = sample.metainfo.get('batch_input_shape', sample.metainfo.get('pad_shape'))[:2]
    return (boxes / boxes.new_tensor([width, height] * 2)).clamp(0, 1)
