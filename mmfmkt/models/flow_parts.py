"""The schedules and solvers of :mod:`mmfmkt.flow`, for configs."""
from mmrazor.registry import MODELS

from mmfmkt.flow import Euler, Heun, RectifiedFlow, VEODE, VPODE

for part in (RectifiedFlow, VPODE, VEODE):
    MODELS.register_module(module=part)
for part in (Euler, Heun):
    MODELS.register_module(name=f'{part.__name__}Solver', module=part)
