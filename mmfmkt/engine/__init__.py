from .cpu import CPUAmpOptimWrapper
from .checkpoint_hooks import JoinDistillerHook, SplitDistillerHook
from .flow_log_hook import FlowLogHook
from .step_warm_up_hook import StepWarmUpHook

__all__ = ['CPUAmpOptimWrapper', 'FlowLogHook', 'JoinDistillerHook', 'SplitDistillerHook', 'StepWarmUpHook']
