"""The teacher: built, loaded and checked once, then only read."""
from __future__ import annotations

from typing import Sequence
from urllib.error import URLError

import torch
from mmengine.config import Config, ConfigDict
from mmengine.hub import get_config
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from ..build import build_detector
from .recorded_heads import run_heads


def read_detector_config(config: str | dict) -> ConfigDict:
    """The model of a config file, of a `package::` config or of a config dict.

    Raises:
        TypeError: if `config` is neither a string nor a dict.
        ValueError: if the config has no model with a `type`.
    """
    if isinstance(config, str):
        loaded = get_config(config) if '::' in config else Config.fromfile(config)
    elif isinstance(config, dict):
        loaded = config
    else:
        raise TypeError("`teacher` must be a config file, a 'package::' config or a config dict of a detector, but got "
                        f'{config!r}; distillation needs a teacher: set model.teacher and model.teacher_ckpt')
    model = loaded.get('model', loaded)
    if 'type' not in model:
        raise ValueError(f'`teacher` must be the config of a detector, but {config!r} has no model with a `type`')
    return model


def load_strictly(detector: nn.Module, checkpoint: str | None) -> None:
    """Load every weight of `detector` from a file or address.

    Raises:
        ValueError: if there is no checkpoint, or if it belongs to another detector; the message lists the keys.
        FileNotFoundError: if the file is not there.
        ConnectionError: if the address cannot be reached.
    """
    if not checkpoint:
        raise ValueError(f'`teacher_ckpt` must be a file or an address of the trained teacher, but got {checkpoint!r}; '
                         'a teacher with random weights has nothing to teach')
    try:
        loaded = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu')
    except URLError as error:
        raise ConnectionError(f'`teacher_ckpt` {checkpoint} could not be fetched ({error.reason}); download it elsewhere '
                              'and give the file') from error
    # not PyTorch's own strict mode: it misses counters that no frozen teacher uses in checkpoints of old versions
    try:
        missing, unknown = detector.load_state_dict(loaded.get('state_dict', loaded), strict=False)
    except RuntimeError as error:  # of another shape
        missing, unknown, mismatched = [], [], [line.strip() for line in str(error).splitlines()[1:]]
    else:
        missing, mismatched = [key for key in missing if not key.endswith('num_batches_tracked')], []
    problems = {'missing from the checkpoint': missing, 'unknown to the detector': unknown, 'of another shape': mismatched}
    if any(problems.values()):
        report = '; '.join(f'{len(keys)} keys {what}: {shorten(keys)}' for what, keys in problems.items() if keys)
        raise ValueError(f'`teacher_ckpt` {checkpoint} does not belong to the teacher {type(detector).__name__}: '
                         f"{report}. Give the checkpoint that was trained with the teacher's config")


def shorten(names: Sequence[str], most: int = 4) -> str:
    return ', '.join(names[:most]) + (', ...' if len(names) > most else '')


class FrozenTeacher:
    """A trained detector of which only what is needed runs, in eval mode and without gradients.

    It is not an `nn.Module`: a module that has it as an attribute shows it in no state dict and gives it to no
    optimizer or DDP bucket, and a deep copy of that module (an EMA model, say) shares it.

    Args:
        config: a config file, a 'package::' config or a config dict.
        checkpoint: file or address of its weights.

    Attributes:
        detector: the detector itself.
    """

    def __init__(self, config: str | dict, checkpoint: str | None) -> None:
        self.detector = build_detector(read_detector_config(config))
        load_strictly(self.detector, checkpoint)
        self.detector.eval().requires_grad_(False)

    def __deepcopy__(self, memo: dict) -> FrozenTeacher:
        return self

    @torch.no_grad()
    def extract_features(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Run backbone and neck on images (B, 3, H, W); recorders see what they see."""
        return self.detector.extract_feat(inputs)

    @torch.no_grad()
    def run_heads(self, heads: list[str], features: tuple[Tensor, ...], rois: Tensor | None) -> None:
        """Run heads; see :func:`~mmfmkt.models.algorithms.recorded_heads.run_heads`."""
        run_heads(self.detector, heads, features, rois)
