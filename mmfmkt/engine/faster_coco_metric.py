"""COCO's figures by a faster evaluation."""

from __future__ import annotations

from typing import Any

from mmdet.evaluation import CocoMetric
from mmdet.evaluation.metrics import coco_metric
from mmrazor.registry import METRICS

from mmfmkt.compat import replaced


@METRICS.register_module()
class FasterCocoMetric(CocoMetric):
    """MMDetection's `CocoMetric`, with the evaluation of the package faster-coco-eval in the place of pycocotools'.

    The figures are the same. On 5,000 images with 80 classes it takes a fraction of the time.

    Args:
        args: those of `CocoMetric`.
        kwargs: those of `CocoMetric`.

    Raises:
        ImportError: if the package is not installed.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        try:
            from faster_coco_eval import COCOeval_faster
        except ImportError as error:
            raise ImportError(
                'FasterCocoMetric must have the package faster-coco-eval, which is not installed; install it with '
                '`pip install faster-coco-eval`, or use CocoMetric'
            ) from error
        self.evaluation = COCOeval_faster
        super().__init__(*args, **kwargs)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """As `CocoMetric`, which takes its evaluation from its module."""
        with replaced(coco_metric, 'COCOeval', self.evaluation), replaced(coco_metric, 'COCOevalMP', self.evaluation):
            return super().compute_metrics(results)
