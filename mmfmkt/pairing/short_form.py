"""The short form of a config: it names a student, a teacher and a method, and stands for a whole algorithm."""

import copy
from collections.abc import Iterable, Sequence
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
FLOW_SETTINGS = 'flow_settings'  # what a checkpoint has in its `meta`, see :func:`flow_settings`
SETTINGS = ('num_steps', 'inference_steps', 'schedule', 'solver', 'precision')  # that change no weight
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
    short = {key: value for key, value in cfg.model.items() if key not in ('type', '_scope_', '_delete_')}
    cfg.model = pair_config(**short)
    imports = read_method(short.get('method', DEFAULT)).imports
    if imports:
        add_imports(cfg, imports)
    if 'clip_grad' not in cfg.optim_wrapper:
        cfg.optim_wrapper.clip_grad = CLIP_GRAD
    return cfg


def trained_architecture(short: dict, checkpoint: str | None) -> dict:
    """The deployed detector of a short form; its flow has the levels and settings that `meta` of the checkpoint names.

    Raises:
        ValueError: if the method deploys a flow, and neither the checkpoint nor the config names its levels.
    """
    method, architecture = read_method(short.get('method', DEFAULT)), to_dict(short['architecture'])
    if not method.deploys_flow:
        return architecture
    changes = {name: to_dict(short.get(name) or {}) for name in ('flow', 'head_flow')}
    student = build_detector(architecture)
    weights, loaded = read_checkpoint(checkpoint, 'the checkpoint') if checkpoint else ({}, {})
    meta = loaded['meta'] if isinstance(loaded.get('meta'), dict) else {}
    levels = []
    if method.place == 'neck':
        named = meta.get(FLOW_LEVELS) or changes['flow'].get('levels') or levels_of_weights(weights)
        levels = trained_levels(student, named, checkpoint)
    flows = fill_flows(method, changes, student, levels)
    for place, settings in (meta.get(FLOW_SETTINGS) or {}).items():
        stated = changes['head_flow' if place == 'head' and method.place != 'head' else 'flow']
        if place in flows:
            flows[place] = as_trained(flows[place], settings, stated)
    return with_flows(architecture, flows)


def as_trained(flow: dict, trained: dict, stated: dict) -> dict:
    """A flow with the settings that it was trained with and that no weight shows; what is stated here stays."""
    kept = {key: value for key, value in flow.items() if key not in SETTINGS or key in stated}
    return {**{key: value for key, value in trained.items() if key not in stated}, **kept}


def flow_settings(model: dict) -> dict[str, dict]:
    """Of the model of a run, written out: where a deployed flow stands, 'neck' or 'head' -> those settings of it."""
    architecture = model.get('architecture') or {}
    parts = dict(neck=architecture.get('neck'), head=(architecture.get('roi_head') or architecture).get('bbox_head'))
    return {
        place: to_dict({key: part['flow'][key] for key in SETTINGS if key in part['flow']})
        for place, part in parts.items()
        if isinstance(part, dict) and isinstance(part.get('flow'), dict)
    }


def trained_levels(student: BaseModel, named: Sequence[int], checkpoint: str | None) -> list[Level]:
    """The levels of the flow in the neck, of which the numbers are given."""
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
