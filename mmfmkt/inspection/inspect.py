"""Looks at all annotation files of a training, each by itself and one beside the other."""

from collections.abc import Sequence

from .boxes import check_format, check_left
from .categories import check_classes, check_ids
from .images import check_sizes
from .parts import Finding, Part


def inspect(parts: Sequence[Part], first: Part | None = None) -> list[Finding]:
    """Everything that is to be said about them, errors first; nothing about boxes where classes or ids are wrong.

    Args:
        parts: what is looked at.
        first: whose classes all must have; by default the first of them.
    """
    first = first or parts[0]
    findings = [finding for part in parts for finding in (*check_ids(part), *check_classes(part, first))]
    if not any(finding.is_error for finding in findings):
        findings += [
            finding for part in parts for finding in (*check_format(part), *check_left(part), *check_sizes(part))
        ]
    return sorted(findings, key=lambda finding: not finding.is_error)
