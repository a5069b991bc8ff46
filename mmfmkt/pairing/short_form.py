"""The short form of a config: it names a student, a teacher and a method, and stands for a whole algorithm."""

import copy
from collections.abc import Iterable
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.model import BaseModel
from mmrazor.registry import MODELS

from mmfmkt.common.building import build_detector
from mmfmkt.common.checkpoints import read_checkpoint
from mmfmkt.common.config_files import add_imports, type_name
from mmfmkt.detectors.pyramid import Level, find_pyramid
from mmfmkt.models.flows.pyramid_flow import FLOW_LEVELS

from .fill import to_dict
from .method import DEFAULT, read_method
from .pair import fill_flows, pair_config, with_flows

SHORT_FORM = 'FMKTPair'
CLIP_GRAD = dict(max_norm=35, norm_type=2)
ENCODERS = 'neck.flow.meta_encoders.'  # what the keys of their weights begin with


@MODELS.register_module(name=SHORT_FORM)
def build_pair(**settings: Any) -> BaseModel:
    """The algorithm of a short form (`type='mmrazor.FMKTPair'`); see :func:`pair_config` for its settings."""
    config = pair_config(**settings)
    return MODELS.build(ConfigDict(config)) if 'distiller' in config else build_detector(config)


def is_short(cfg: Config) -> bool:
    """Is the model of a config a short form?"""
    return type_name(cfg.model) == SHORT_FORM


def write_out(cfg: Config) -> Config:
    """The config with its short form written out, and gradients clipped if it does not say otherwise; or as it is."""
    if not is_short(cfg):
        return cfg
    cfg = copy.deepcopy(cfg)
    short = {key: value for key, value in cfg.model.items() if key not in ('type', '_scope_')}
    cfg.model = pair_config(**short)
    imports = read_method(short.get('method', DEFAULT)).imports
    if imports:
        add_imports(cfg, imports)
    if 'clip_grad' not in cfg.optim_wrapper:
        cfg.optim_wrapper.clip_grad = CLIP_GRAD
    return cfg


def trained_architecture(short: dict, checkpoint: str | None) -> dict:
    """The deployed detector of a short form; the levels of its flow are those that the checkpoint names in its `meta`.

    Raises:
        ValueError: if the method deploys a flow, and neither the checkpoint nor the config names its levels.
    """
    method, architecture = read_method(short.get('method', DEFAULT)), to_dict(short['architecture'])
    if not method.deploys_flow:
        return architecture
    changes = {name: to_dict(short.get(name) or {}) for name in ('flow', 'head_flow')}
    student = build_detector(architecture)
    levels = trained_levels(student, changes['flow'], checkpoint) if method.place == 'neck' else []
    return with_flows(architecture, fill_flows(method, changes, student, levels))


def trained_levels(student: BaseModel, flow: dict, checkpoint: str | None) -> list[Level]:
    """The levels of the flow in the neck, as the checkpoint or the config names them."""
    weights, loaded = read_checkpoint(checkpoint, 'the checkpoint') if checkpoint else ({}, {})
    meta = loaded.get('meta')
    named = (
        (meta.get(FLOW_LEVELS) if isinstance(meta, dict) else None) or flow.get('levels') or levels_of_weights(weights)
    )
    pyramid = {level.index: level for level in find_pyramid(student)}
    if not named or not set(named) <= set(pyramid):
        raise ValueError(
            f'the checkpoint must name the levels of its flow, of {list(pyramid)}, but {checkpoint} names '
            f'{named or "none"}: it is that of another detector, or of version 0.1.0 with one meta-encoder for all '
            'levels. Take the config in the work_dir of the run, or set the levels: model.flow.levels'
        )
    return [pyramid[level] for level in named]


def levels_of_weights(keys: Iterable[str]) -> list[int]:
    """The levels in the names of the weights of a checkpoint of version 0.1.0, which has them nowhere else."""
    named = [key.removeprefix(ENCODERS).split('.')[0] for key in keys if key.startswith(ENCODERS)]
    return [int(name) for name in dict.fromkeys(named) if name.isdigit()]
