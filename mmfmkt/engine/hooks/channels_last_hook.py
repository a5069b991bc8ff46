"""Training in the memory layout in which convolutions are fastest."""

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmrazor.registry import HOOKS
from torch import nn

from mmfmkt.common.memory_layout import channels_last
from mmfmkt.common.processes import unwrapped


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Gives the detector its images in channels-last, so that every feature map is.

    No value changes. It is for convolutional detectors in mixed precision, and on CPUs; operators that read the
    default layout alone, as deformable convolutions may, must not be in them.
    """

    def before_train(self, runner: Runner) -> None:
        self.handle = unwrapped(runner.model).data_preprocessor.register_forward_hook(change_layout)

    def after_train(self, runner: Runner) -> None:
        self.handle.remove()


def change_layout(preprocessor: nn.Module, args: tuple, batch: dict) -> dict:
    return dict(batch, inputs=channels_last(batch['inputs']))
