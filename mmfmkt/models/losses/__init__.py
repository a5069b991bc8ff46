from .fmkt_loss import FMKTLoss
from .fmkt_theta_loss import FMKTThetaLoss

__all__ = ['FMKTLoss', 'FMKTThetaLoss']
