from .binary_kd import BinaryKDLoss
from .box_losses import BoxFeatureLoss, BoxFMKTLoss, BoxFMKTThetaLoss
from .cross_head_loss import CrossHeadLoss
from .diffkd import DiffKDMetric
from .feature_loss import FeatureLoss
from .fgd import FGDMetric
from .fmkt_loss import FMKTLoss
from .fmkt_theta_loss import FMKTThetaLoss
from .logit_loss import LogitLoss
from .ofmkt_loss import OFMKTLoss, OFMKTThetaLoss
from .row_metrics import PerChannelMetric, PerPixelMetric
from .step_task_loss import StepTaskLoss
from .sync_pkd import SyncPKDLoss

__all__ = [
    'BinaryKDLoss', 'BoxFMKTLoss', 'BoxFMKTThetaLoss', 'BoxFeatureLoss', 'CrossHeadLoss', 'DiffKDMetric', 'FGDMetric', 'FMKTLoss', 'FMKTThetaLoss', 'FeatureLoss',
    'LogitLoss', 'OFMKTLoss', 'OFMKTThetaLoss', 'PerChannelMetric', 'PerPixelMetric', 'StepTaskLoss', 'SyncPKDLoss'
]
