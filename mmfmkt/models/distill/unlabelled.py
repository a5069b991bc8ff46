"""Images that nobody has labelled: the losses that need no labels are computed for them too."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from mmrazor.models.distillers import ConfigurableDistiller
from mmrazor.models.task_modules import ModuleOutputsRecorder

from mmfmkt.models.recorders.recorders import TeacherPyramidRecorder


def with_boxes(batch: dict) -> dict:
    """A batch whose samples have boxes, which some augmentations resize with the images; nobody reads them."""
    for sample in batch['data_samples']:
        if 'bboxes' not in sample.gt_instances:
            sample.gt_instances.bboxes = torch.zeros(len(sample.gt_instances), 4)
    return batch


def mappings_without_labels(distiller: ConfigurableDistiller) -> dict[str, Mapping]:
    """The mappings of the losses that read only what backbone and neck return.

    A head returns predictions for images with labels only, so that losses which compare predictions are not among them.

    Raises:
        ValueError: if there is none.
    """
    managers = {True: distiller.student_recorders, False: distiller.teacher_recorders}

    def of_features(record: Mapping) -> bool:
        recorder = managers[record['from_student']].recorders[record['recorder']]
        part = recorder.source.split('.')[0] if isinstance(recorder, ModuleOutputsRecorder) else None
        return part in ('backbone', 'neck') or isinstance(recorder, TeacherPyramidRecorder)

    mappings = {
        name: mapping
        for name, mapping in distiller.loss_forward_mappings.items()
        if all(map(of_features, mapping.values()))
    }
    if not mappings:
        raise ValueError(
            'images without labels must be used with a method that compares features and reads no boxes, as fmkt-theta '
            f'or pkd, but the losses of this one are {", ".join(distiller.loss_forward_mappings)}'
        )
    return mappings


def mean_over_images(labelled: dict, unlabelled: dict, share: float) -> dict:
    """Losses that are means over images, where `share` of the images is without labels; others stay.

    The share is beside them, for the log.
    """
    both = {name: (1 - share) * labelled[name] + share * loss for name, loss in unlabelled.items()}
    return {**labelled, **both, 'unlabelled_share': torch.tensor(share)}
