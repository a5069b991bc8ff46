from .base import MetaEncoder
from .conv import ConvMetaEncoder
from .convnext import ConvNeXtMetaEncoder
from .light import LightMetaEncoder
from .mlp import MLPMetaEncoder
from .swin import SwinMetaEncoder

__all__ = [
    'ConvMetaEncoder',
    'ConvNeXtMetaEncoder',
    'LightMetaEncoder',
    'MLPMetaEncoder',
    'MetaEncoder',
    'SwinMetaEncoder',
]
