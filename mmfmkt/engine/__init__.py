from .cpu import CPUAmpOptimWrapper
from .distiller_hooks import JoinDistillerHook, SplitDistillerHook

__all__ = ['CPUAmpOptimWrapper', 'JoinDistillerHook', 'SplitDistillerHook']
