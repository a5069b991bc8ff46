"""Metrics, tried beside the run that they belong to."""

import copy
import tempfile

from mmengine.evaluator import BaseMetric


def without_results(metric: BaseMetric) -> BaseMetric:
    """A copy that collects results of its own. Some metrics remove a folder at their end: the copy has another one."""
    trial = copy.copy(metric)
    trial.results = []
    if getattr(trial, 'tmp_dir', None) is not None:
        trial.tmp_dir = tempfile.TemporaryDirectory()
    return trial
