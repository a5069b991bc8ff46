from .binary_kd import BinaryKDMetric, QualityFocalMetric
from .box_metrics import BoxMetric, IoUMetric, LDMetric
from .diffkd import DiffKDMetric
from .fgd import FGDMetric
from .pkd import PKDMetric
from .row_metrics import PerChannelMetric, PerPixelMetric

__all__ = [
    'BinaryKDMetric',
    'BoxMetric',
    'DiffKDMetric',
    'FGDMetric',
    'IoUMetric',
    'LDMetric',
    'PKDMetric',
    'PerChannelMetric',
    'PerPixelMetric',
    'QualityFocalMetric',
]
