"""The mathematics of FM-KT: torch alone, no registry, no parameters.

Everywhere in this project **t = 1 is the student and t = 0 the teacher.** The state starts as the student's feature,
`Z_1 = X^S` (the *source*), and the flow carries it down in time to `Z_0`, an estimate of the teacher's feature `X^T`
(the *target*), which only the loss reads.
"""

from .schedules import VEODE, VPODE, NoiseSchedule, RectifiedFlow
from .schedules import Coefficients as Coefficients
from .solvers import Euler, Heun, Solver
from .trajectory import Trajectory
from .transport import transport

__all__ = ['Euler', 'Heun', 'NoiseSchedule', 'RectifiedFlow', 'Solver', 'Trajectory', 'VEODE', 'VPODE', 'transport']
