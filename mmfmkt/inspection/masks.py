"""Masks: does every object have one, where they are loaded?"""

from __future__ import annotations

from collections.abc import Iterator

from mmdet.datasets.transforms import LoadAnnotations

from .parts import Finding, Part


def check_masks(part: Part) -> Iterator[Finding]:
    """Objects without a mask: the training ends with an error when it is their turn."""
    transforms = getattr(getattr(part.dataset, 'pipeline', None), 'transforms', ())
    # a subclass may take them from elsewhere, as that for panoptic data does
    if not any(type(each) is LoadAnnotations and each.with_mask for each in transforms):
        return
    objects = part.boxes.total() + part.seen.ignored
    if part.seen.without_mask:
        yield Finding(
            f'every object of {part.file} must have a mask, because the pipeline of {part.split} loads them '
            f'(`with_mask=True`), but {part.seen.without_mask} of {objects} have none; give them a `segmentation`, or '
            'take a detector and a pipeline without masks',
            is_error=True,
        )
