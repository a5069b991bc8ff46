from .binary_kd import BinaryKDMetric
from .diffkd import DiffKDMetric
from .fgd import FGDMetric
from .pkd import PKDMetric
from .row_metrics import PerChannelMetric, PerPixelMetric

__all__ = ['BinaryKDMetric', 'DiffKDMetric', 'FGDMetric', 'PKDMetric', 'PerChannelMetric', 'PerPixelMetric']
