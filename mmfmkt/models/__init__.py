from .algorithms import FMKTDistill, OFMKTThetaDistill
from .connectors import FlowConnector, StudentClassifier
from .flow_transform import FlowTransform
from .heads import flow_head
from .losses import (BinaryKDLoss, FMKTLoss, FMKTThetaLoss, OFMKTLoss, OFMKTThetaLoss, PerChannelMetric, PerPixelMetric,
                     StepTaskLoss, SyncPKDLoss)
from .meta_encoders import (ConvMetaEncoder, ConvNeXtMetaEncoder, LightMetaEncoder, MetaEncoder, MLPMetaEncoder,
                            SwinMetaEncoder)
from .necks import FlowNeck
from .recorders import EveryModuleCallRecorder, EveryModuleInputsRecorder, EveryModuleOutputsRecorder

__all__ = [
    'BinaryKDLoss', 'ConvMetaEncoder', 'ConvNeXtMetaEncoder', 'EveryModuleCallRecorder', 'EveryModuleInputsRecorder',
    'EveryModuleOutputsRecorder', 'FMKTDistill', 'FMKTLoss', 'FMKTThetaLoss', 'FlowConnector', 'FlowNeck',
    'FlowTransform', 'LightMetaEncoder', 'MLPMetaEncoder', 'MetaEncoder', 'OFMKTLoss', 'OFMKTThetaDistill',
    'OFMKTThetaLoss', 'PerChannelMetric', 'PerPixelMetric', 'StepTaskLoss', 'StudentClassifier', 'SwinMetaEncoder',
    'SyncPKDLoss', 'flow_head'
]
