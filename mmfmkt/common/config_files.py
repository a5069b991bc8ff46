"""Reading configs, with errors that name the file."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterable
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.hub import get_config

from .config_paths import moved


def read_config(config: str | Path | Config, option: str) -> Config:
    """A config file, or a config of an installed package ('mmdet::retinanet/retinanet_r50_fpn_1x_coco.py').

    Args:
        config: path or 'package::path', or what was read of one, of which there is a copy.
        option: what the user set it by, for the messages.

    Raises:
        FileNotFoundError: if it is not there, or one of its bases; if it has moved, the message says where to.
        ValueError: if it is no config.
    """
    if isinstance(config, Config):
        return copy.deepcopy(config)
    config = str(config)
    try:
        return get_config(config) if '::' in config else Config.fromfile(config)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise FileNotFoundError(describe_missing(config, option, error)) from error
    except Exception as error:  # a config is code, which can go wrong in any way
        reason = f'{error.msg}, line {error.lineno}' if isinstance(error, SyntaxError) else error
        raise ValueError(
            f'{option} {config} could not be read as a config: {type(error).__name__}: {reason}'
        ) from error


def describe_missing(config: str, option: str, error: OSError) -> str:
    """The message about a config that is not there, or that needs a file which is not, as a base."""
    found = re.search('file "(.+)" does not exist', str(error))  # how MMEngine names a base of an installed package
    missing = error.filename or (found[1] if found else config)
    if '::' in config or os.path.abspath(missing) == os.path.abspath(config):
        return moved(config) or (
            f"{option} must be a config file or a 'package::' config, but {config} is not there; a config "
            "of MMDetection's is named as mmdet::retinanet/retinanet_r50_fpn_1x_coco.py"
        )
    new_place = moved(missing, is_base=True)
    if new_place:
        return f'{option} {config} has a base that is elsewhere: {new_place}'
    return f'{option} {config} must find every file that it needs, but {missing} is not there'


def config_name(config: str | Path | Config) -> str:
    """What a run of a config is called: the name of its file."""
    path = config.filename or 'config' if isinstance(config, Config) else str(config).split('::')[-1]
    return Path(path).stem


def type_name(config: dict) -> str:
    """The name of a config's `type`, without its scope or module; pure Python configs have classes there."""
    part_type = config.get('type')
    return getattr(part_type, '__name__', str(part_type)).split('.')[-1]


def read_detector_config(config: str | dict | None, option: str = '`teacher`') -> ConfigDict:
    """The model of a config file, of a `package::` config or of a config dict.

    Raises:
        TypeError: if `config` is neither a string nor a dict.
        FileNotFoundError: if the file is not there.
        ValueError: if it is no config, or has no model with a `type`.
    """
    if not isinstance(config, (str, dict)):
        raise TypeError(
            f"{option} must be a config file, a 'package::' config or a config dict of a detector, but got "
            f'{config!r}; distillation needs a teacher: set model.teacher and model.teacher_ckpt'
        )
    loaded = read_config(config, option) if isinstance(config, str) else config
    # the config of a TimmTeacher has a `model` too, which is a name
    model = loaded['model'] if isinstance(loaded.get('model'), dict) else loaded
    if 'type' not in model:
        raise ValueError(f'{option} must be the config of a detector, but {config!r} has no model with a `type`')
    if 'data_preprocessor' in loaded:  # a runner gives it to a model that has none
        model = ConfigDict({'data_preprocessor': loaded['data_preprocessor'], **model})
    return model


def add_imports(cfg: Config, modules: Iterable[str]) -> None:
    """Let a config, once it is written to a file, import these modules beside what it imports."""
    imports = (cfg.get('custom_imports') or {}).get('imports') or []
    imports = [imports] if isinstance(imports, str) else list(imports)
    imports += [module for module in modules if module not in imports]
    cfg.custom_imports = dict(imports=imports, allow_failed_imports=False)
