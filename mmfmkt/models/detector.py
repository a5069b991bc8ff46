"""Building detectors under MMDetection's own names."""
from mmdet.registry import MODELS
from mmengine.model import BaseModel


def build_detector(config: dict | BaseModel) -> BaseModel:
    """A detector from its config, whatever the default scope; a detector is returned as it is."""
    return config if isinstance(config, BaseModel) else MODELS.build({'_scope_': 'mmdet', **config})
