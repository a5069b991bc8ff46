"""FM-KT: a neck whose outputs are transported."""

from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmfmkt.common.state_dict_keys import show_child_as_own

from .pyramid_flow import PyramidFlow, replace_levels


@MODELS.register_module()
class FlowNeck(BaseModule):
    """Any neck, then the flow: the heads read the transported features `Z_0`, in training and at inference.

    This is the full FM-KT (arXiv:2402.02012, section 3). The flow belongs to the deployed model, which is a stock
    detector with this neck and no teacher. Its state dict has the wrapped neck's keys and `flow.*` besides, so a plain
    student's checkpoint can be loaded into it. The trajectories that the distillation loss reads are the output of
    the submodule `flow`.

    Args:
        neck: config of the wrapped neck; None for a detector whose heads read its backbone.
        flow: arguments of :class:`~mmfmkt.models.flows.pyramid_flow.PyramidFlow`.
    """

    def __init__(self, neck: dict | None, flow: dict) -> None:
        super().__init__()
        self.neck = nn.Identity() if neck is None else MODELS.build(neck)
        self.flow = PyramidFlow(**flow)
        show_child_as_own(self, 'neck')

    def forward(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Backbone features (B, C_l, H_l, W_l) -> the pyramid, its chosen levels transported."""
        pyramid = self.neck(inputs)
        return replace_levels(pyramid, self.flow(pyramid))
