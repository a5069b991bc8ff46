"""Names of the last version that configs may still use, and what takes their place."""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

from mmengine.logging import print_log
from mmrazor.registry import MODELS

from .config_files import type_name

OWN_OUTPUT = dict(type='mmrazor.OwnOutput')
# a type of the last version -> its new type, and the settings that it stands for
RENAMED: dict[str, tuple[str, dict]] = dict(
    SyncPKDLoss=('PKDMetric', {}),
    BinaryKDLoss=('BinaryKDMetric', {}),
    BoxFeatureLoss=('FeatureLoss', {}),
    BoxFMKTLoss=('FMKTLoss', {}),
    FMKTThetaLoss=('FMKTLoss', dict(student_weight=1.0)),
    BoxFMKTThetaLoss=('FMKTLoss', dict(student_weight=1.0)),
    OFMKTLoss=('FMKTLoss', dict(target=OWN_OUTPUT)),
    OFMKTThetaLoss=('FMKTLoss', dict(student_weight=1.0, target=OWN_OUTPUT)),
)
# a setting of an FMKTLoss -> that of its target
OF_TARGET = dict(keep_pairs='keep_pairs', teacher_levels='levels')
# a setting that is gone, by its type -> the value that changes nothing
GONE = {('FMKTLoss', 'student_target'): 'flow', ('FlowConnector', 'detach'): False}


@cache
def warn(text: str) -> None:
    """Say it once in the log."""
    print_log(f'{text}; the old name goes with the next version', 'current', logging.WARNING)


def with_new_names(config: Any) -> Any:
    """A config, or a part of one, with the names of today; what has none of the old ones is returned as it is.

    Raises:
        ValueError: if it has a setting that is gone.
    """
    if not has_old_names(config):
        return config
    if isinstance(config, (list, tuple)):
        return type(config)(map(with_new_names, config))
    return renamed(type(config)({key: with_new_names(value) for key, value in config.items()}))


def has_old_names(config: Any) -> bool:
    """Is there a name of the last version anywhere in a config?"""
    if isinstance(config, (list, tuple)):
        return any(map(has_old_names, config))
    if not isinstance(config, dict):
        return False
    name = type_name(config)
    settings = {setting for kind, setting in GONE if kind == name} | set(OF_TARGET if name == 'FMKTLoss' else ())
    return name in RENAMED or bool(settings & set(config)) or any(map(has_old_names, config.values()))


def renamed(config: dict) -> dict:
    """One part of a config with its new type and settings."""
    old = type_name(config)
    name, settings = RENAMED.get(old, (old, {}))
    for (kind, setting), default in GONE.items():
        if kind == name and config.get(setting) == default:
            del config[setting]
            warn(f'`{setting}` of {old} is no setting any more')
        elif kind == name and setting in config:
            raise ValueError(
                f'`{setting}` of {old} is no setting any more, but got {config[setting]!r}; leave it out: students '
                'learned no more with it'
            )
    if old in RENAMED:
        config['type'] = f'mmrazor.{name}'
        shown = ', '.join(f'{key}={value!r}' for key, value in dict(type=config['type'], **settings).items())
        warn(f'{old} is now dict({shown})')
    for key, value in settings.items():
        config[key] = dict(value) if key == 'target' else config.get(key, value)
    if name == 'FMKTLoss':
        move_to_target(config)
    return config


def move_to_target(config: dict) -> None:
    """Move the settings of an FMKTLoss that are now those of its target."""
    for old, new in OF_TARGET.items():
        if old not in config:
            continue
        value = config.pop(old)
        warn(f"`{old}` of FMKTLoss is now target=dict(type='mmrazor.TeacherTarget', {new}=...)")
        target = config.get('target') or dict(type='mmrazor.TeacherTarget')
        if type_name(target) == 'TeacherTarget':
            config['target'] = dict(target, **{new: value})
        elif value not in (None, 1):
            raise ValueError(
                f'`{old}` must be used with a teacher as the target, but got {value!r} for {target["type"]}'
            )


def builder(old: str) -> Callable:
    """What builds the part that has taken the place of an old name."""

    def build(**settings: Any) -> Any:
        return MODELS.build(with_new_names(dict(type=f'mmrazor.{old}', **settings)))

    return build


for old in RENAMED:
    MODELS.register_module(name=old, module=builder(old))
