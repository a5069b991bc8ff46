from .auxiliary_head_loss import AuxiliaryHeadLoss
from .box_loss import BoxLoss
from .cross_head_loss import CrossHeadLoss
from .feature_loss import FeatureLoss
from .fmkt_loss import FMKTLoss
from .logit_loss import LogitLoss
from .shared_query_loss import SharedQueryLoss
from .step_task_loss import StepTaskLoss
from .targets import OwnOutput, TeacherTarget

__all__ = [
    'AuxiliaryHeadLoss',
    'BoxLoss',
    'CrossHeadLoss',
    'FMKTLoss',
    'FeatureLoss',
    'LogitLoss',
    'OwnOutput',
    'SharedQueryLoss',
    'StepTaskLoss',
    'TeacherTarget',
]
