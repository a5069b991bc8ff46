"""What an inspection has found, told to who starts a run."""

import logging
from collections.abc import Iterable

from mmengine.logging import print_log

from mmfmkt.inspection import Finding


def tell(findings: Iterable[Finding]) -> None:
    """Warn of what is odd; raise a ValueError for what would make a wrong detector."""
    for finding in findings:
        if finding.is_error:
            raise ValueError(finding.text)
        print_log(finding.text, 'current', logging.WARNING)
