"""What is compared: methods on a pair of detectors, the detectors that they leave, and PKD in stock MMRazor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmengine.model import BaseModel
from mmrazor.registry import MODELS

from mmfmkt.common.building import build_detector
from mmfmkt.common.config_files import type_name
from mmfmkt.detectors.pyramid import find_source
from mmfmkt.models.meta_encoders import MetaEncoder
from mmfmkt.pairing.fill import merge, projection
from mmfmkt.pairing.method import PLAIN, method_names, read_method
from mmfmkt.pairing.pair import pair_config
from mmfmkt.pairing.short_form import SHORT_FORM

ENCODERS = {
    cls.__name__.removesuffix('MetaEncoder').lower(): f'mmrazor.{cls.__name__}' for cls in MetaEncoder.__subclasses__()
}
STOCK = {'mmrazor-fpn': 'mmrazor.FpnTeacherDistill', 'mmrazor-single': 'mmrazor.SingleTeacherDistill'}
WRAPPED = dict(FlowNeck='neck', FlowHead='head')  # what carries a flow -> where it has what it wraps
TRAINED = (
    PLAIN,
    *STOCK,
    'pkd',
    'cwd',
    'mgd',
    *(f'fmkt-theta:{encoder}:{steps}' for encoder in ENCODERS for steps in (1, 4, 8)),
    'fmkt:light:4',
    'fmkt:conv:4',
)
DEPLOYED = (
    PLAIN,
    'fmkt-theta',
    *(f'fmkt:{encoder}:{steps}' for encoder in ('light', 'conv') for steps in (1, 2, 4, 8)),
)


@dataclass(frozen=True)
class Case:
    """A model that is timed.

    Attributes:
        name: METHOD, METHOD:ENCODER or METHOD:ENCODER:N for a pair, or the name of a config that is timed as it is.
        config: the short form of the pair without a method, or the config of the model.
        trains: iterations of the training are timed, or else predictions.
    """

    name: str
    config: dict
    trains: bool

    @property
    def family(self) -> str:
        """The name without the number of steps."""
        return self.name.rpartition(':')[0] if self.num_steps else self.name

    @property
    def num_steps(self) -> int | None:
        """N, if the name says it."""
        last = self.name.rpartition(':')[2]
        return int(last) if last.isdigit() else None

    def build(self) -> BaseModel:
        """The algorithm that is trained, or the detector that is deployed."""
        config = self.config
        if type_name(config) == SHORT_FORM:
            short = {key: value for key, value in config.items() if key not in ('type', '_scope_', 'method')}
            if self.name in STOCK:
                return build_stock_pkd(short, STOCK[self.name])
            method, flow = read_name(self.name)
            flow = merge(short.get('flow') or {}, flow) if read_method(method).flow is not None else None
            config = pair_config(**dict(short, method=method, flow=flow))
        if not self.trains:
            config = config.get('architecture', config)
        return MODELS.build(config) if 'distiller' in config else build_detector(config)


def make_cases(config: dict, title: str, trained: Sequence[str], deployed: Sequence[str]) -> list[Case]:
    """The cases of a model's config: of a pair those with these names, of another config itself and its plain student.

    Raises:
        ValueError: if a method, an encoder or a number of steps is none.
    """
    if type_name(config) != SHORT_FORM:
        plain = [Case(PLAIN, without_flow(config['architecture']), True)] if 'architecture' in config else []
        return [*plain, Case(title, config, True)]
    for name in {*trained, *deployed} - set(STOCK):
        read_name(name)
    return [Case(name, config, True) for name in trained] + [Case(name, config, False) for name in deployed]


def without_flow(config: Any) -> Any:
    """The config of a detector without the flow in its neck or head."""
    if isinstance(config, dict) and type_name(config) in WRAPPED:
        return config[WRAPPED[type_name(config)]]
    return {key: without_flow(value) for key, value in config.items()} if isinstance(config, dict) else config


def read_name(name: str) -> tuple[str, dict]:
    """The method and the settings of its flow that METHOD[:ENCODER[:N]] stands for."""
    method, *options = name.split(':')
    if method not in method_names() or len(options) > 2:
        raise ValueError(
            f'a method must be METHOD, METHOD:ENCODER or METHOD:ENCODER:N, with METHOD one of '
            f'{", ".join([*method_names(), *STOCK])}, but got {name!r}'
        )
    if not options:
        return method, {}
    if read_method(method).flow is None:
        raise ValueError(f'ENCODER must be given for a method that has a flow, but got {name!r}')
    if options[0] not in ENCODERS or not all(steps.isdigit() and int(steps) for steps in options[1:]):
        raise ValueError(
            f'ENCODER must be one of {", ".join(ENCODERS)}, and N an integer of at least 1, but got {name!r}'
        )
    steps = dict(num_steps=int(options[1])) if len(options) > 1 else {}
    return method, dict(meta_encoder=dict(type=ENCODERS[options[0]]), **steps)


def build_stock_pkd(short: dict, algorithm: str) -> BaseModel:
    """PKD as MMRazor has it: one of its algorithms, its loss, a stanza for every level, and the whole teacher.

    Raises:
        ValueError: if there are several teachers.
    """
    if isinstance(short['teacher'], (list, tuple)):
        raise ValueError(f'{algorithm} must have one teacher, but got {len(short["teacher"])}')
    config = pair_config(**dict(short, method='pkd'))
    (pkd,), student, teacher = (
        config['distiller']['distill_losses'].values(),
        build_detector(config['architecture']),
        build_detector(short['teacher']),
    )
    levels, weight = pkd['levels'], pkd['loss_weight']
    of_teacher, transforms = pkd.get('teacher_levels', levels), pkd.get('transform') or [projection(1, 1)] * len(levels)
    names = [f'loss_level{level}' for level in levels]
    connectors = {name: transform for name, transform in zip(names, transforms) if transform}
    distiller = dict(
        type='mmrazor.ConfigurableDistiller',
        student_recorders=dict(pyramid=dict(type='mmrazor.ModuleOutputs', source=find_source(student))),
        teacher_recorders=dict(pyramid=dict(type='mmrazor.ModuleOutputs', source=find_source(teacher))),
        connectors=connectors,
        distill_losses={name: dict(type='mmrazor.PKDLoss', loss_weight=weight) for name in names},
        loss_forward_mappings={
            name: dict(
                preds_S=dict(
                    recorder='pyramid',
                    from_student=True,
                    data_idx=level,
                    **(dict(connector=name) if name in connectors else {}),
                ),
                preds_T=dict(recorder='pyramid', from_student=False, data_idx=other),
            )
            for name, level, other in zip(names, levels, of_teacher)
        },
    )
    return MODELS.build(dict(type=algorithm, architecture=student, teacher=teacher, distiller=distiller))
