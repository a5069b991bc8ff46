from typing import Any

from mmfmkt.common.deprecated import RENAMED, warn

from .distill import FMKTDistill, OFMKTThetaDistill
from .flows import FlowConnector, FlowNeck, PyramidFlow, StudentClassifier, flow_head
from .losses import (
    AuxiliaryHeadLoss,
    BoxLoss,
    CrossHeadLoss,
    FeatureLoss,
    FMKTLoss,
    LogitLoss,
    OwnOutput,
    SharedQueryLoss,
    StepTaskLoss,
    TeacherTarget,
)
from .meta_encoders import (
    ConvMetaEncoder,
    ConvNeXtMetaEncoder,
    LightMetaEncoder,
    MetaEncoder,
    MLPMetaEncoder,
    SwinMetaEncoder,
)
from .metrics import (
    BinaryKDMetric,
    BoxMetric,
    DiffKDMetric,
    FGDMetric,
    IoUMetric,
    LDMetric,
    PerChannelMetric,
    PerPixelMetric,
    PKDMetric,
    QualityFocalMetric,
)
from .recorders import (
    DataSamplesRecorder,
    EveryModuleCallRecorder,
    EveryModuleInputsRecorder,
    EveryModuleOutputsRecorder,
    TowerInputsRecorder,
)
from .teacher.timm_teacher import TimmTeacher

__all__ = [
    'AuxiliaryHeadLoss',
    'BinaryKDMetric',
    'BoxLoss',
    'BoxMetric',
    'ConvMetaEncoder',
    'ConvNeXtMetaEncoder',
    'CrossHeadLoss',
    'DataSamplesRecorder',
    'DiffKDMetric',
    'EveryModuleCallRecorder',
    'EveryModuleInputsRecorder',
    'EveryModuleOutputsRecorder',
    'FGDMetric',
    'FMKTDistill',
    'FMKTLoss',
    'FeatureLoss',
    'FlowConnector',
    'FlowNeck',
    'IoUMetric',
    'LDMetric',
    'LightMetaEncoder',
    'LogitLoss',
    'MLPMetaEncoder',
    'MetaEncoder',
    'OFMKTThetaDistill',
    'OwnOutput',
    'PKDMetric',
    'PerChannelMetric',
    'PerPixelMetric',
    'PyramidFlow',
    'QualityFocalMetric',
    'SharedQueryLoss',
    'StepTaskLoss',
    'StudentClassifier',
    'SwinMetaEncoder',
    'TeacherTarget',
    'TimmTeacher',
    'TowerInputsRecorder',
    'flow_head',
]


def __getattr__(name: str) -> Any:
    """Classes of the last version: the new one if it does the same, or an error that says what does."""
    if name == 'FlowTransform' or name in RENAMED:
        new, settings = RENAMED.get(name, ('PyramidFlow', {}))
        if settings:
            shown = ', '.join(f'{key}={value}' for key, value in settings.items())
            raise ImportError(f'{name} is now {new} with {shown}')
        warn(f'mmfmkt.models.{name} is now mmfmkt.models.{new}')
        return globals()[new]
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
