from .channels_last_hook import ChannelsLastHook
from .checkpoint_files_hook import CheckpointFilesHook
from .checkpoint_hooks import JoinDistillerHook, SplitDistillerHook
from .early_stopping_memory_hook import EarlyStoppingMemoryHook
from .evaluate_teacher_hook import EvaluateTeacherHook
from .flow_log_hook import FlowLogHook
from .flow_visualization_hook import FlowVisualizationHook
from .non_finite_hook import NonFiniteHook
from .preemption_hook import PreemptionHook
from .randomness_hook import RandomnessHook
from .step_warm_up_hook import StepWarmUpHook
from .unlabelled_hook import UnlabelledHook
from .weight_schedule_hook import WeightScheduleHook

__all__ = [
    'ChannelsLastHook',
    'CheckpointFilesHook',
    'EarlyStoppingMemoryHook',
    'EvaluateTeacherHook',
    'FlowLogHook',
    'FlowVisualizationHook',
    'JoinDistillerHook',
    'NonFiniteHook',
    'PreemptionHook',
    'RandomnessHook',
    'SplitDistillerHook',
    'StepWarmUpHook',
    'UnlabelledHook',
    'WeightScheduleHook',
]
