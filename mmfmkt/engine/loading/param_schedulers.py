"""Schedules of a run that goes on with epochs of another length."""

from __future__ import annotations

from mmengine.optim import _ParamScheduler
from mmengine.runner import Runner

# attributes of MMEngine's schedulers that count iterations
COUNTS = ('begin', 'end', 'last_step', '_global_step', 'T_max', 'step_size', 'total_steps')
LISTS = ('periods', 'cumulative_periods')
ENDLESS = int(1e9)  # MMEngine's


def stretch_schedules(runner: Runner, ratio: float) -> None:
    """Let schedules that are written in epochs and were turned into iterations be where they were in their epochs.

    Args:
        runner: has resumed.
        ratio: the iterations of an epoch over those that it had before.
    """
    schedulers, configs = runner.param_schedulers or [], runner.cfg.get('param_scheduler')
    groups = [(schedulers, configs)]
    if isinstance(schedulers, dict):  # of several optimizers
        groups = [(of_optimizer, configs.get(name, [])) for name, of_optimizer in schedulers.items()]
    for of_optimizer, written in groups:
        for scheduler, config in zip(of_optimizer, written if isinstance(written, (list, tuple)) else [written]):
            if isinstance(config, dict) and config.get('convert_to_iter_based'):
                stretch(scheduler, ratio)


def stretch(scheduler: _ParamScheduler, ratio: float) -> None:
    """Multiply everything in a schedule that counts iterations."""
    shorter = scheduler.end - scheduler.begin - getattr(scheduler, 'total_iters', 0)
    for name, value in vars(scheduler).items():
        if name in COUNTS and value < ENDLESS:
            setattr(scheduler, name, round(value * ratio))
        elif name in LISTS:
            setattr(scheduler, name, [round(count * ratio) for count in value])
        elif name == 'milestones':
            scheduler.milestones = type(value)({round(step * ratio): times for step, times in value.items()})
        elif name == '_schedule_phases':  # each ends before an iteration
            for phase in value:
                phase['end_step'] = (phase['end_step'] + 1) * ratio - 1
    if hasattr(scheduler, 'total_iters'):  # as many fewer as before
        scheduler.total_iters = scheduler.end - scheduler.begin - shorter
