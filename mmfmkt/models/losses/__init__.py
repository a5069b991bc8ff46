from .binary_kd import BinaryKDLoss
from .fmkt_loss import FMKTLoss
from .fmkt_theta_loss import FMKTThetaLoss
from .ofmkt_loss import OFMKTLoss, OFMKTThetaLoss
from .row_metrics import PerChannelMetric, PerPixelMetric
from .step_task_loss import StepTaskLoss
from .sync_pkd import SyncPKDLoss

__all__ = [
    'BinaryKDLoss', 'FMKTLoss', 'FMKTThetaLoss', 'OFMKTLoss', 'OFMKTThetaLoss', 'PerChannelMetric', 'PerPixelMetric',
    'StepTaskLoss', 'SyncPKDLoss'
]
