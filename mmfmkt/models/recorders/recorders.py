"""Recorders for modules that run several times in one forward pass, as a dense head runs its tower once a level.

MMRazor's own recorders hand out one of the calls; these hand out all of them, in their order. And one for what no
module returns: the ground truth.
"""

from typing import Any, NamedTuple

from mmrazor.models.task_modules import ModuleOutputsRecorder
from mmrazor.models.task_modules.recorder.base_recorder import BaseRecorder
from mmrazor.registry import TASK_UTILS
from torch import nn

from mmfmkt.detectors.towers import last_layers


class Call(NamedTuple):
    """One call of a module."""

    module: nn.Module
    args: tuple
    kwargs: dict


@TASK_UTILS.register_module()
class EveryModuleCallRecorder(ModuleOutputsRecorder):
    """The calls of a module (`type='mmrazor.EveryModuleCall'` in a config).

    Args:
        source: name of the module in the detector.
    """

    def prepare_from_model(self, model: nn.Module | None = None) -> None:
        assert model is not None  # MMRazor's distiller always gives it
        modules = dict(model.named_modules())
        if self.source not in modules:
            raise ValueError(
                f'`source` of a recorder must be a module of {type(model).__name__}, but got {self.source!r}'
            )
        for module in self.listened(modules):
            module.register_forward_hook(self.record_call, with_kwargs=True)

    def listened(self, modules: dict[str, nn.Module]) -> list[nn.Module]:
        """The modules whose calls are recorded."""
        return [modules[self.source]]

    def record_call(self, module: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
        if self.recording:
            self.data_buffer.append(self.keep(Call(module, args, kwargs), output))

    def keep(self, call: Call, output: Any) -> Any:
        """What is kept of a call."""
        return call

    def get_record_data(self, record_idx: int = 0, data_idx: int | None = None) -> list:
        """Of all calls; MMRazor's two indices are for a single one.

        It is one list in an iteration, by which a connector knows that it has seen it, and another in the next.
        """
        return self.data_buffer


@TASK_UTILS.register_module()
class EveryModuleInputsRecorder(EveryModuleCallRecorder):
    """The first argument of every call (`type='mmrazor.EveryModuleInputs'` in a config)."""

    def keep(self, call: Call, output: Any) -> Any:
        return call.args[0]


@TASK_UTILS.register_module()
class EveryModuleOutputsRecorder(EveryModuleCallRecorder):
    """The output of every call (`type='mmrazor.EveryModuleOutputs'` in a config)."""

    def keep(self, call: Call, output: Any) -> Any:
        return output


@TASK_UTILS.register_module()
class TowerInputsRecorder(EveryModuleInputsRecorder):
    """What the last layer of a tower of a dense head reads, level by level (`type='mmrazor.TowerInputs'` in a config).

    Args:
        source: name of the tower in the detector, 'bbox_head.cls_convs' or 'bbox_head.reg_convs'.
    """

    def listened(self, modules: dict[str, nn.Module]) -> list[nn.Module]:
        head, _, tower = self.source.rpartition('.')
        return last_layers(modules[head], tower)


class HandedOverRecorder(BaseRecorder):
    """What the algorithm hands over in every iteration."""

    def prepare_from_model(self, model: nn.Module | None = None) -> None:
        """There is nothing to listen to."""

    def record(self, data: Any) -> None:
        self._data_buffer = [data]


@TASK_UTILS.register_module()
class DataSamplesRecorder(HandedOverRecorder):
    """The data samples of a batch, with the ground truth (`type='mmrazor.DataSamples'` in a config)."""

    def __init__(self) -> None:
        super().__init__('data_samples')


@TASK_UTILS.register_module()
class TeacherPyramidRecorder(HandedOverRecorder):
    """The pyramid of a further teacher (`type='mmrazor.TeacherPyramid'` in a config).

    Args:
        teacher: its number; the first of several has recorders of modules, the second is 1.
    """

    def __init__(self, teacher: int) -> None:
        super().__init__(f'teacher {teacher}')
        self.teacher = teacher


def teacher_of(recorder: BaseRecorder) -> int:
    """The number of the teacher that a recorder of teachers listens to."""
    return recorder.teacher if isinstance(recorder, TeacherPyramidRecorder) else 0
