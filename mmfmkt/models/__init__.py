from .algorithms import FMKTDistill
from .connectors import FlowConnector
from .flow_transform import FlowTransform
from .losses import FMKTLoss, FMKTThetaLoss
from .meta_encoders import ConvMetaEncoder, LightMetaEncoder, MetaEncoder
from .necks import FlowNeck

__all__ = [
    'ConvMetaEncoder', 'FMKTDistill', 'FMKTLoss', 'FMKTThetaLoss', 'FlowConnector', 'FlowNeck', 'FlowTransform',
    'LightMetaEncoder', 'MetaEncoder'
]
