"""What a metric may read of the ground truth of a batch."""

from collections.abc import Sequence

from mmdet.structures import DetDataSample
from mmdet.structures.bbox import get_box_tensor
from torch import Tensor

GroundTruth = dict[str, list[Tensor]]  # what a metric reads, as in its `reads` -> its value for every image


def relative_boxes(sample: DetDataSample) -> Tensor:
    """The boxes of an image, (n, 4) as x1, y1, x2, y2, divided by width and height of the padded batch: in [0, 1]."""
    boxes = get_box_tensor(sample.gt_instances.bboxes)
    height, width = sample.metainfo.get('batch_input_shape', sample.metainfo.get('pad_shape'))[:2]
    return (boxes / boxes.new_tensor([width, height] * 2)).clamp(0, 1)


READABLE = dict(boxes=relative_boxes)


def check_reads(names: Sequence[str], metric: object) -> None:
    """Raise a ValueError if a metric says that it reads what there is not."""
    if not set(names) <= set(READABLE):
        raise ValueError(
            f'`reads` of a metric must have names of {", ".join(READABLE)}, but that of {type(metric).__name__} has '
            f'{", ".join(names)}'
        )


def read(names: set[str], data_samples: Sequence | None) -> GroundTruth:
    """What metrics read of these data samples.

    Args:
        names: names in `READABLE`.
        data_samples: those of the batch; None if the loss does not get them.

    Raises:
        ValueError: if there is something to read, and the loss does not get the data samples.
    """
    if not names:
        return {}
    if data_samples is None:
        raise ValueError(
            f'the loss must get `data_samples`, because its metric reads {", ".join(sorted(names))}, but it does not: '
            "add data_samples=dict(type='mmrazor.DataSamples') to `student_recorders` and data_samples=dict("
            "recorder='data_samples', from_student=True) to the mapping of the loss"
        )
    return {name: [READABLE[name](sample) for sample in data_samples] for name in sorted(names)}
