"""What every run gets besides its config.

It does not stand in the configs because bases of an MMEngine config may not share a key, and many detectors have
custom hooks of their own.
"""

from mmengine.config import Config, ConfigDict

from mmfmkt.common.config_files import add_imports, type_name

LOOPS = {'EpochBasedTrainLoop': 'mmrazor.ResumableEpochLoop', 'IterBasedTrainLoop': 'mmrazor.ResumableIterLoop'}


def add_distillation_hooks(cfg: Config) -> None:
    """Add the hooks that a distillation needs; one that is there already stays as it is."""
    interval = ((cfg.get('default_hooks') or {}).get('logger') or {}).get('interval', 50)
    add_hooks(
        cfg,
        dict(type='mmrazor.SplitDistillerHook'),
        dict(type='mmrazor.JoinDistillerHook'),
        dict(type='mmrazor.EvaluateTeacherHook'),
        dict(type='mmrazor.WeightScheduleHook'),
        dict(type='mmrazor.NonFiniteHook'),
        dict(type='mmrazor.FlowLogHook', interval=interval),
    )


def make_resumable(cfg: Config) -> None:
    """Let the run of a config, a distillation or not, go on after any interruption as if there had been none.

    A loop, a hook or a place for checkpoints of its own stays.
    """
    loop = cfg.get('train_cfg') or ConfigDict()
    if 'type' not in loop and 'by_epoch' in loop:
        loop.type = 'EpochBasedTrainLoop' if loop.pop('by_epoch') else 'IterBasedTrainLoop'
    if type_name(loop) in LOOPS:
        loop.type = LOOPS[type_name(loop)]
    # MMEngine's own default, written out to set where it saves
    cfg.default_hooks = {'checkpoint': dict(type='CheckpointHook', interval=1), **(cfg.get('default_hooks') or {})}
    checkpoint = cfg.default_hooks.checkpoint or {}
    if not {'backend_args', 'file_client_args'} & set(checkpoint) and '://' not in (checkpoint.get('out_dir') or ''):
        checkpoint['backend_args'] = dict(backend='whole_files')
    for hook in [*cfg.default_hooks.values(), *(cfg.get('custom_hooks') or [])]:
        if hook and type_name(hook) == 'EarlyStoppingHook':
            hook.setdefault('priority', 'LOW')  # a checkpoint that is saved in a validation has what it decides
    add_hooks(
        cfg,
        dict(type='mmrazor.RandomnessHook'),
        dict(type='mmrazor.CheckpointFilesHook'),
        dict(type='mmrazor.PreemptionHook'),
        dict(type='mmrazor.EarlyStoppingMemoryHook'),
    )
    import_project(cfg)


def add_hooks(cfg: Config, *hooks: dict) -> None:
    """Add hooks to a config that has none of their types."""
    present = list(cfg.get('custom_hooks') or [])
    types = {type_name(hook) for hook in present}
    cfg.custom_hooks = present + [hook for hook in hooks if type_name(hook) not in types]


def import_project(cfg: Config) -> None:
    """Let the config, once it is written to a file, import this project."""
    add_imports(cfg, ['mmfmkt'])
