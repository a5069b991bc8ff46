from .fmkt_distill import FMKTDistill
from .ofmkt_theta_distill import OFMKTThetaDistill

__all__ = ['FMKTDistill', 'OFMKTThetaDistill']
