from .base import MetaEncoder
from .conv import ConvMetaEncoder
from .light import LightMetaEncoder

__all__ = ['ConvMetaEncoder', 'LightMetaEncoder', 'MetaEncoder']
