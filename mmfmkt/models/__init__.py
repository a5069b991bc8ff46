from .distill import FMKTDistill, OFMKTThetaDistill
from .flows import FlowConnector, FlowNeck, PyramidFlow, StudentClassifier, flow_head
from .losses import CrossHeadLoss, FeatureLoss, FMKTLoss, LogitLoss, OwnOutput, StepTaskLoss, TeacherTarget
from .meta_encoders import (
    ConvMetaEncoder,
    ConvNeXtMetaEncoder,
    LightMetaEncoder,
    MetaEncoder,
    MLPMetaEncoder,
    SwinMetaEncoder,
)
from .metrics import BinaryKDMetric, DiffKDMetric, FGDMetric, PerChannelMetric, PerPixelMetric, PKDMetric
from .recorders import (
    DataSamplesRecorder,
    EveryModuleCallRecorder,
    EveryModuleInputsRecorder,
    EveryModuleOutputsRecorder,
    TowerInputsRecorder,
)

__all__ = [
    'BinaryKDMetric',
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
    'StepTaskLoss',
    'StudentClassifier',
    'SwinMetaEncoder',
    'TeacherTarget',
    'TowerInputsRecorder',
    'flow_head',
]
