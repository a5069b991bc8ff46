"""The short form of a config: it names a student, a teacher and a method, and stands for an algorithm with all its parts."""

import copy
import re

from mmengine.config import Config, ConfigDict
from mmengine.model import BaseModel
from mmrazor.registry import MODELS

from mmfmkt.common.building import build_detector
from mmfmkt.common.checkpoints import read_checkpoint
from mmfmkt.common.config_files import type_name
from mmfmkt.detectors.pyramid import find_pyramid

from .fill import fill_flow, merge, to_dict, with_flow_neck
from .method import DEFAULT, deploys_flow, is_plain, read_method
from .pair import pair_config

SHORT_FORM = 'FMKTPair'
CLIP_GRAD = dict(max_norm=35, norm_type=2)


@MODELS.register_module(name=SHORT_FORM)
def build_pair(**settings) -> BaseModel:
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
    cfg.model = pair_config(**{key: value for key, value in cfg.model.items() if key not in ('type', '_scope_')})
    if 'clip_grad' not in cfg.optim_wrapper:
        cfg.optim_wrapper.clip_grad = CLIP_GRAD
    return cfg


def trained_architecture(short: dict, checkpoint: str) -> dict:
    """The deployed detector of a short form; the levels of its flow are read off the weights, without a teacher.

    Raises:
        ValueError: if the weights have no flow although the method deploys one.
    """
    method, flow = short.get('method', DEFAULT), to_dict(short.get('flow') or {})
    base, architecture = read_method(method), to_dict(short['architecture'])
    if is_plain(base) or not deploys_flow(base):
        return architecture
    keys = ' '.join(read_checkpoint(checkpoint, 'the checkpoint')[0])
    levels = list(dict.fromkeys(map(int, re.findall(r'\bneck\.flow\.meta_encoders\.(\d+)\.', keys))))
    levels = levels or flow.get('levels')
    if not levels:
        raise ValueError(
            f'the checkpoint of {method} must tell the levels of its flow, but {checkpoint} does not: it is '
            'that of another detector, or the levels share their weights. Take the config in the work_dir of '
            'the run'
        )
    pyramid = {level.index: level for level in find_pyramid(build_detector(architecture))}
    return with_flow_neck(architecture, fill_flow(merge(base['flow'], flow), [pyramid[level] for level in levels]))
