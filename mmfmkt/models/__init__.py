from .algorithms import FMKTDistill, OFMKTThetaDistill
from .connectors import FlowConnector, StudentClassifier
from .flow_transform import FlowTransform
from .heads import flow_head
from .losses import (BinaryKDLoss, BoxFeatureLoss, BoxFMKTLoss, BoxFMKTThetaLoss, CrossHeadLoss, DiffKDMetric, FeatureLoss, FGDMetric, FMKTLoss, FMKTThetaLoss,
                     LogitLoss, OFMKTLoss, OFMKTThetaLoss, PerChannelMetric, PerPixelMetric, StepTaskLoss, SyncPKDLoss)
from .meta_encoders import (ConvMetaEncoder, ConvNeXtMetaEncoder, LightMetaEncoder, MetaEncoder, MLPMetaEncoder,
                            SwinMetaEncoder)
from .necks import FlowNeck
from .recorders import (DataSamplesRecorder, EveryModuleCallRecorder, EveryModuleInputsRecorder, EveryModuleOutputsRecorder,
                        TowerInputsRecorder)

__all__ = [
    'BinaryKDLoss', 'BoxFMKTLoss', 'BoxFMKTThetaLoss', 'BoxFeatureLoss', 'ConvMetaEncoder', 'ConvNeXtMetaEncoder', 'CrossHeadLoss', 'DataSamplesRecorder',
    'DiffKDMetric', 'EveryModuleCallRecorder', 'EveryModuleInputsRecorder', 'EveryModuleOutputsRecorder', 'FGDMetric',
    'FMKTDistill', 'FMKTLoss', 'FMKTThetaLoss', 'FeatureLoss', 'FlowConnector', 'FlowNeck', 'FlowTransform', 'LightMetaEncoder',
    'LogitLoss', 'MLPMetaEncoder', 'MetaEncoder', 'OFMKTLoss', 'OFMKTThetaDistill', 'OFMKTThetaLoss', 'PerChannelMetric',
    'PerPixelMetric', 'StepTaskLoss', 'StudentClassifier', 'SwinMetaEncoder', 'SyncPKDLoss', 'TowerInputsRecorder', 'flow_head'
]
