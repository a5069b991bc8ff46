"""The schedules and solvers of :mod:`mmfmkt.flow`, for configs."""

from mmrazor.registry import MODELS

from mmfmkt.flow import VEODE, VPODE, Euler, Heun, RectifiedFlow

for part in (RectifiedFlow, VPODE, VEODE):
    MODELS.register_module(module=part)
for part in (Euler, Heun):
    MODELS.register_module(name=f'{part.__name__}Solver', module=part)
