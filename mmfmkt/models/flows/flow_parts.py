"""The schedules and solvers of :mod:`mmfmkt.flow`, for configs."""

from mmrazor.registry import MODELS

from mmfmkt.flow import VEODE, VPODE, Euler, Heun, RectifiedFlow

for schedule in (RectifiedFlow, VPODE, VEODE):
    MODELS.register_module(module=schedule)
for solver in (Euler, Heun):
    MODELS.register_module(name=f'{solver.__name__}Solver', module=solver)
