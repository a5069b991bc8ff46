"""Building from configs, with errors that say what there is to choose from."""

import copy
from collections.abc import Sequence
from dataclasses import fields
from typing import TypeVar

from mmdet.models import KnowledgeDistillationSingleStageDetector, SemiBaseDetector
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import ConfigDict
from mmengine.model import BaseModel
from mmrazor.registry import MODELS

from .deprecated import with_new_names

Part = TypeVar('Part')


def build_detector(config: dict | BaseModel) -> BaseModel:
    """A detector from its config, whatever the default scope; a detector is returned as it is.

    Raises:
        ValueError: if it is something else.
    """
    if isinstance(config, dict) and 'architecture' in config:
        raise ValueError(
            f'student and teacher must be detectors, but got a distillation, {config.get("type")}; train it with '
            'tools/train.py, and take what tools/export_student.py makes of it for a teacher'
        )
    if isinstance(config, dict):
        check_release(config, 'model')
    detector = config if isinstance(config, BaseModel) else DETECTORS.build(own_copy(config))
    parts = all(hasattr(detector, name) for name in ('extract_feat', 'backbone'))
    if not parts or isinstance(detector, SemiBaseDetector):
        raise ValueError(
            'student and teacher must be detectors, with a `backbone` and an `extract_feat` that makes features of '
            f'images, but got {type(detector).__name__}; give the config of a whole detector, and of what has one '
            'inside, a tracker or a semi-supervised one, that of the detector: its `model.detector`'
        )
    if isinstance(detector, KnowledgeDistillationSingleStageDetector):
        raise ValueError(
            f'student and teacher must be detectors without a teacher of their own, but {type(detector).__name__} has '
            'one; give the config of the detector inside, for LD that of GFL, for LAD that of PAA (`--method ld` '
            'distils as LD does)'
        )
    return detector


def check_release(model: dict, place: str) -> None:
    """Raise a ValueError if the model of a config, which stands at `place`, is one of MMDetection 2."""
    if 'backbone' in model and model.get('pretrained'):
        raise ValueError(
            f'`{place}.pretrained` must be left out: it is of a config of MMDetection 2. Of MMDetection 3 it is '
            "backbone.init_cfg=dict(type='Pretrained', checkpoint=...)"
        )


def own_copy(config: dict) -> ConfigDict:
    """A copy for mmdet's detectors, some of which write into their configs, so that they can be built only once."""
    return ConfigDict({'_scope_': 'mmdet', **copy.deepcopy(config)})


def build_part(config: dict | Part, kind: type[Part], option: str, packages: Sequence[str] = ('',)) -> Part:
    """A `kind` from its config, or as it is; those of some `packages` are proposed if it is none.

    Raises:
        ValueError: if `config` is not that of a registered `kind`; the message lists them.
    """
    if isinstance(config, kind):
        return config
    settings = with_new_names(config)
    part_type = settings.get('type') if isinstance(settings, dict) else None
    cls = MODELS.get(part_type) if isinstance(part_type, str) else part_type
    if not (isinstance(cls, type) and issubclass(cls, kind)):
        raise ValueError(
            f'`{option}` must be the config of a {kind.__name__}, dict(type=...) with one of the types '
            f'{", ".join(registered(kind, packages))}, but got {settings!r}; one of your own is registered in '
            "MMRazor's MODELS and imported by `custom_imports` of the config"
        )
    return MODELS.build({**settings, 'type': cls})  # the class, which does not depend on the default scope


def build_settings(cls: type[Part], given: dict, owner: str) -> Part:
    """A dataclass of settings, or a TypeError that names those that `owner` does not have."""
    known = [field.name for field in fields(cls)]  # type: ignore[arg-type]
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise TypeError(
            f'{owner} has no setting {", ".join(unknown)}; beside its own arguments it has {", ".join(known)}'
        )
    return cls(**given)


def registered(kind: type, packages: Sequence[str]) -> list[str]:
    """The names, with their scope, under which subclasses of `kind` from `packages` stand in MMRazor's `MODELS`."""
    return sorted(
        f'mmrazor.{name}'
        for name, cls in MODELS.module_dict.items()
        if isinstance(cls, type) and issubclass(cls, kind) and cls.__module__.startswith(tuple(packages))
    )
