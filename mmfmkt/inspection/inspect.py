"""Looks at all annotation files of a training, each by itself and one beside the other."""

from collections.abc import Iterable, Sequence

from .boxes import check_finite, check_format, check_left, check_repeats
from .categories import check_classes, check_ids
from .images import check_apart, check_once, check_sizes, check_there
from .masks import check_masks
from .parts import Finding, Part


def inspect(parts: Sequence[Part], others: Sequence[Part] = (), unlabelled: Iterable[str] = ()) -> list[Finding]:
    """Everything that is to be said about them, errors first; nothing about boxes where classes or ids are wrong.

    Args:
        parts: what is looked at.
        others: have been looked at, and are compared with them. All must have the classes of the first.
        unlabelled: files of images that are trained on without their labels.
    """
    if not parts:
        return []
    first = [*others, *parts][0]
    findings = [finding for part in parts for finding in (*check_ids(part), *check_classes(part, first))]
    if not any(finding.is_error for finding in findings):
        trained_on = dict.fromkeys(unlabelled, 'the images without labels')
        trained_on |= {path: 'train' for part in (*others, *parts) if part.split == 'train' for path in part.images}
        for split in dict.fromkeys(part.split for part in parts):
            findings += check_once([part for part in parts if part.split == split])
        for part in parts:
            more = any(other.boxes.total() for other in parts if other is not part and other.split == part.split)
            findings += [*check_finite(part), *check_format(part), *check_left(part, more), *check_repeats(part)]
            findings += [*check_masks(part), *check_there(part), *check_sizes(part)]
            findings += [] if part.split == 'train' else check_apart(part, trained_on)
    return sorted(findings, key=lambda finding: not finding.is_error)
