from .recorders import (
    DataSamplesRecorder,
    EveryModuleCallRecorder,
    EveryModuleInputsRecorder,
    EveryModuleOutputsRecorder,
    TeacherPyramidRecorder,
    TowerInputsRecorder,
)

__all__ = [
    'DataSamplesRecorder',
    'EveryModuleCallRecorder',
    'EveryModuleInputsRecorder',
    'EveryModuleOutputsRecorder',
    'TeacherPyramidRecorder',
    'TowerInputsRecorder',
]
