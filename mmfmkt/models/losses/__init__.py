from .box_losses import BoxFeatureLoss, BoxFMKTLoss, BoxFMKTThetaLoss
from .cross_head_loss import CrossHeadLoss
from .feature_loss import FeatureLoss
from .fmkt_loss import FMKTLoss
from .fmkt_theta_loss import FMKTThetaLoss
from .logit_loss import LogitLoss
from .ofmkt_loss import OFMKTLoss, OFMKTThetaLoss
from .step_task_loss import StepTaskLoss

__all__ = [
    'BoxFMKTLoss',
    'BoxFMKTThetaLoss',
    'BoxFeatureLoss',
    'CrossHeadLoss',
    'FMKTLoss',
    'FMKTThetaLoss',
    'FeatureLoss',
    'LogitLoss',
    'OFMKTLoss',
    'OFMKTThetaLoss',
    'StepTaskLoss',
]
