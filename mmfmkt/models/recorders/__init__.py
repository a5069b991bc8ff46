from .recorders import (
    DataSamplesRecorder,
    EveryModuleCallRecorder,
    EveryModuleInputsRecorder,
    EveryModuleOutputsRecorder,
    TowerInputsRecorder,
)

__all__ = [
    'DataSamplesRecorder',
    'EveryModuleCallRecorder',
    'EveryModuleInputsRecorder',
    'EveryModuleOutputsRecorder',
    'TowerInputsRecorder',
]
