"""The methods that a pair can be trained with: the files of `configs/_base_/methods/`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mmdet.models.dense_heads.anchor_free_head import AnchorFreeHead
from mmengine.config import Config
from mmengine.model import BaseModel
from mmrazor.registry import MODELS

from mmfmkt.common.config_files import read_config
from mmfmkt.common.deprecated import with_new_names
from mmfmkt.common.files import project_folder
from mmfmkt.detectors.classifier import why_no_classifier
from mmfmkt.detectors.comparable_heads import find_head, why_logits_differ
from mmfmkt.models.distill.protocols import KnowsWhatFits
from mmfmkt.models.recorders.recorder_sources import check_distiller

Place = Literal['neck', 'head', 'connector', 'head_connector']

DEFAULT, PLAIN = 'fmkt-theta', 'student'
PLACES = ('neck', 'head', 'connector', 'head_connector')
KINDS = ('two_stage', 'anchor_free')
DICTS = ('distiller', 'flow', 'head_flow', 'for_students', 'flow_for_students')
VARIABLES = (*DICTS, 'place', 'algorithm', 'custom_imports')


@dataclass(frozen=True)
class Method:
    """A method, as its file says it; the variables of the file have the names of these attributes.

    Attributes:
        name: its name, or the file of one that is not in `configs/_base_/methods/`.
        distiller: recorders, connectors, losses and mappings, in MMRazor's form; None for the plain student. The first
            loss is the one that `loss` of a pair sets. What the recorders `pyramid`, `head`, `classifier`, `head_flow`
            and `loss_cls` listen to, the channels in losses, and `head` in them are set for the pair.
        flow: the settings of the flow, if the method has one.
        place: where it stands. 'neck': the student's heads read the features that it transports. 'head': the classifier
            of its head does. 'connector' and 'head_connector': beside the neck or the classifier; it is not deployed.
        head_flow: the settings of a second flow, in the head, of a method that has one in the neck.
        algorithm: the type that trains it.
        for_students: how the first loss differs for kinds of students, 'two_stage' or 'anchor_free', and others, by
            their names.
        flow_for_students: how the flow in the head differs for them.
        imports: modules that register parts of the method.
    """

    name: str
    distiller: dict | None = None
    flow: dict | None = None
    place: Place | None = None
    head_flow: dict | None = None
    algorithm: str = 'mmrazor.FMKTDistill'
    for_students: dict = field(default_factory=dict)
    flow_for_students: dict = field(default_factory=dict)
    imports: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Is it the student by itself?"""
        return self.distiller is None

    @property
    def reads_teacher(self) -> bool:
        return bool((self.distiller or {}).get('teacher_recorders'))

    @property
    def deploys_flow(self) -> bool:
        """Is a flow a part of the detector that is deployed?"""
        return self.place in ('neck', 'head') or self.head_flow is not None

    @property
    def of_logits(self) -> bool:
        """Does a flow lead to logits instead of features of a pyramid?"""
        return self.place in ('head', 'head_connector') or self.head_flow is not None

    @property
    def loss(self) -> dict:
        """The loss that `loss` of a pair sets."""
        return next(iter((self.distiller or {}).get('distill_losses', {}).values()))

    def misfit(self, student: BaseModel, teacher: BaseModel) -> str | None:
        """Why it cannot be used for two detectors; None if it can."""
        if not self.reads_teacher:
            return None
        if self.of_logits and (reason := self.misfit_of_logits(student, teacher)):
            return reason
        kinds = [MODELS.get(part['type']) for part in self.compared_by()]
        reasons = (kind.misfit(student, teacher) for kind in kinds if isinstance(kind, KnowsWhatFits))
        return next(filter(None, reasons), None)

    def compared_by(self) -> list[dict]:
        """Its losses, each followed by its metric."""
        losses = (self.distiller or {}).get('distill_losses', {}).values()
        parts = [part for loss in losses for part in (loss, loss.get('metric'))]
        return [part for part in parts if isinstance(part, dict)]

    def misfit_of_logits(self, student: BaseModel, teacher: BaseModel) -> str | None:
        """Why a flow before the student's classifier cannot lead to the teacher's logits; None if it can."""
        return why_logits_differ(student, teacher) or why_no_classifier(student.get_submodule(find_head(student)))


def folder() -> Path:
    return project_folder('configs') / '_base_' / 'methods'


def method_names() -> list[str]:
    """What `method` of a short form can be, besides a file of the user's."""
    return sorted(file.stem for file in folder().glob('*.py'))


def read_method(method: str) -> Method:
    """A method, given by its name or by a .py file.

    Raises:
        ValueError: if there is none of this name, or if the file is no method.
        FileNotFoundError: if the file is not there.
    """
    if isinstance(method, str) and method.endswith('.py'):
        variables = read_config(method, '`method`').to_dict()
    elif isinstance(method, str) and method in method_names():
        variables = Config.fromfile(folder() / f'{method}.py').to_dict()
    else:
        raise ValueError(
            f'`method` must be one of {", ".join(method_names())}, or a .py file with the variables of those in '
            f'configs/_base_/methods, but got {method!r}'
        )
    check_variables(variables, method)
    imports = variables.pop('custom_imports', {}).get('imports', ())
    variables['imports'] = (imports,) if isinstance(imports, str) else tuple(imports)
    if variables.get('distiller') is not None:
        variables['distiller'] = with_new_names(variables['distiller'])
        state_place(variables, method)
    return Method(method, **{name: value for name, value in variables.items() if value is not None})


def state_place(variables: dict, method: str) -> None:
    """State where the flow stands if the file does not: in the connector called `flow`, or else in the neck."""
    connector = (variables['distiller'].get('connectors') or {}).get('flow')
    if variables.get('place') is None and (connector or variables.get('flow')):
        variables['place'] = 'connector' if connector else 'neck'
    place = variables.get('place')
    if connector and connector.get('flow'):
        variables['flow'] = connector['flow']
    if place is not None and place not in PLACES:
        raise ValueError(f'`place` of a method must be one of {", ".join(PLACES)}, but that of {method} is {place!r}')
    if place is not None and variables.get('flow') is None:
        raise ValueError(f'a method with `place` must have a `flow`, but {method} has {place!r} and no flow')
    if (place or '').endswith('connector') != bool(connector):
        raise ValueError(
            "`place` of a method must be 'connector' or 'head_connector' if its distiller has a connector `flow`, "
            f'and only then, but {method} has {place!r} with {"" if connector else "no "}such a connector'
        )


def check_variables(variables: dict, method: str) -> None:
    """Raise a ValueError if the file of a method has other variables than a method, or none."""
    unknown = set(variables) - set(VARIABLES)
    if unknown or not variables and method != PLAIN:
        raise ValueError(
            f'the file of a method must have `distiller`, and may have {", ".join(VARIABLES[1:])}, but {method} '
            f'has {", ".join(sorted(unknown)) or "none of them"}'
        )
    for name in DICTS:
        if not isinstance(variables.get(name) or {}, dict):
            raise ValueError(f'the {name} of a method must be a dict, but that of {method} is {variables[name]!r}')
    for name in ('for_students', 'flow_for_students'):
        unknown = set(variables.get(name) or {}) - set(KINDS)
        if unknown:
            raise ValueError(
                f'`{name}` of a method must be for {" or ".join(KINDS)}, but that of {method} is for '
                f'{", ".join(sorted(unknown))}'
            )
    distiller = variables.get('distiller')
    check_distiller(distiller or {})
    if distiller is not None and not distiller.get('distill_losses'):
        raise ValueError(f'the distiller of a method must have a loss, but that of {method} has none')


def kind_of(student: BaseModel) -> str | None:
    """The kind of a student in `for_students`; None for all others."""
    if getattr(student, 'roi_head', None) is not None:
        return 'two_stage'
    return 'anchor_free' if isinstance(getattr(student, 'bbox_head', None), AnchorFreeHead) else None


def check_fit(method: Method, student: BaseModel, teacher: BaseModel) -> None:
    """Raise a ValueError if a method does not fit two detectors, with the methods that do."""
    reason = method.misfit(student, teacher)
    if reason:
        fitting = [name for name in method_names() if not read_method(name).misfit(student, teacher)]
        raise ValueError(
            f'`method` must fit student and teacher, but {method.name} does not: {reason}. Those that do are '
            f'{", ".join(fitting)}'
        )
