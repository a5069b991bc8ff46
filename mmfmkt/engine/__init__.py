from .cpu import CPUAmpOptimWrapper
from .checkpoint_hooks import JoinDistillerHook, SplitDistillerHook
from .evaluate_teacher_hook import EvaluateTeacherHook
from .flow_log_hook import FlowLogHook
from .step_warm_up_hook import StepWarmUpHook

__all__ = [
    'CPUAmpOptimWrapper', 'EvaluateTeacherHook', 'FlowLogHook', 'JoinDistillerHook', 'SplitDistillerHook', 'StepWarmUpHook'
]
