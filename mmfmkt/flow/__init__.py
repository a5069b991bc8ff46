"""The mathematics of FM-KT: torch alone, no registry, no parameters.

Convention used everywhere in this project: **t = 1 is the student, t = 0 the teacher.** The state starts as the
student's feature, `Z_1 = X^S` (the *source*), and the flow carries it down in time to `Z_0`, an estimate of the
teacher's feature `X^T` (the *target*). The target is never an input of the flow, only of the loss.
"""
from .schedules import Coefficients, NoiseSchedule, RectifiedFlow, VEODE, VPODE
from .solvers import Euler, Heun, Solver
from .trajectory import Trajectory
from .transport import transport

__all__ = [
    'Coefficients', 'Euler', 'Heun', 'NoiseSchedule', 'RectifiedFlow', 'Solver', 'Trajectory', 'VEODE', 'VPODE',
    'transport'
]
