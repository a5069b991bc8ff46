"""What is recorded: which heads have to run for it, running just these, and forgetting it."""

from collections.abc import Iterable

from mmdet.models import StandardRoIHead
from mmengine.model import BaseModel
from mmrazor.models.distillers import ConfigurableDistiller
from mmrazor.models.task_modules import ModuleOutputsRecorder, RecorderManager
from mmrazor.models.task_modules.recorder.base_recorder import BaseRecorder
from torch import Tensor, nn

from mmfmkt.detectors.pyramid import find_source
from mmfmkt.models.flows.flow_connector import FlowConnector
from mmfmkt.models.recorders.recorders import DataSamplesRecorder

HEADS = ('bbox_head', 'roi_head')
PARTS = ('backbone', 'neck', *HEADS)


def parts_of(recorders: Iterable[BaseRecorder]) -> set[str]:
    """The parts of a detector ('backbone', 'neck', 'bbox_head', ...) whose modules are recorded."""
    return {recorder.source.split('.')[0] for recorder in recorders if isinstance(recorder, ModuleOutputsRecorder)}


def forget_records(distiller: ConfigurableDistiller) -> None:
    """Drop what was recorded or transported, which would keep the graph of the last iteration in memory."""
    for manager in (distiller.student_recorders, distiller.teacher_recorders):
        for recorder in manager.recorders.values():
            recorder.reset_data_buffer()
    for connector in distiller.connectors.values():
        if isinstance(connector, FlowConnector):
            connector.forget()


def hand_over(recorders: RecorderManager, data_samples: list) -> None:
    """Give the data samples of a batch to those who record them."""
    for recorder in recorders.recorders.values():
        if isinstance(recorder, DataSamplesRecorder):
            recorder.record(data_samples)


def recorded_heads(recorders: RecorderManager, detector: nn.Module) -> list[str]:
    """The heads of a teacher, 'bbox_head' (dense) or 'roi_head', that its recorders listen to.

    Raises:
        ValueError: if a recorder listens to another part, which does not run in a teacher, or to a RoI head that runs
            its boxes through more than one box head.
    """
    parts = parts_of(recorders.recorders.values())
    if not parts <= set(PARTS):
        raise ValueError(
            f'a recorder must listen to a part of the teacher that runs, {", ".join(PARTS)}, but got '
            f'{", ".join(sorted(parts - set(PARTS)))}'
        )
    if 'roi_head' in parts and not isinstance(getattr(detector, 'roi_head', None), StandardRoIHead):
        raise ValueError(
            "the logits of a RoI head can be compared if it is one of mmdet's StandardRoIHeads (Faster and "
            f'Mask R-CNN), but got {type(getattr(detector, "roi_head", None)).__name__} in '
            f'{type(detector).__name__}'
        )
    return [head for head in HEADS if head in parts]


def reads_inside(recorders: RecorderManager, detector: nn.Module) -> bool:
    """Does a recorder listen to a part of backbone or neck, and not only to the pyramid that they make?"""
    sources = {
        recorder.source for recorder in recorders.recorders.values() if isinstance(recorder, ModuleOutputsRecorder)
    }
    return any(source.split('.')[0] in ('backbone', 'neck') for source in sources - {find_source(detector)})


def run_heads(detector: BaseModel, heads: list[str], features: tuple[Tensor, ...], rois: Tensor | None) -> None:
    """Run heads on a pyramid of features (B, C, H_l, W_l) for those who record them.

    Args:
        detector: student or teacher.
        heads: 'bbox_head', 'roi_head' or both.
        features: the pyramid.
        rois: boxes for the RoI head, (R, 5): index of the image, then x1, y1, x2, y2 in pixels.
    """
    if 'bbox_head' in heads:
        detector.bbox_head(features)
    if 'roi_head' in heads:
        detector.roi_head._bbox_forward(features, rois)  # mmdet has no public method that takes boxes
