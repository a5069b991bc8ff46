from .cpu import CPUAmpOptimWrapper
from .distiller_checkpoint_hook import DistillerCheckpointHook

__all__ = ['CPUAmpOptimWrapper', 'DistillerCheckpointHook']
