"""FM-KT^Θ: the flow beside the student instead of inside it."""

from mmrazor.models.architectures.connectors.base_connector import BaseConnector
from mmrazor.registry import MODELS
from torch import Tensor

from mmfmkt.flow import Trajectory

from .pyramid_flow import PyramidFlow


@MODELS.register_module()
class FlowConnector(BaseConnector):
    """Student pyramid -> trajectories, for a student whose heads read its own features.

    The flow is used in training only; the deployed model is the plain student (arXiv:2402.02012, FM-KT^Θ).

    Args:
        flow: arguments of :class:`~mmfmkt.models.flows.pyramid_flow.PyramidFlow`.
    """

    def __init__(self, flow: dict) -> None:
        super().__init__()
        self.flow = PyramidFlow(**flow)
        self.feature: tuple[Tensor, ...] | None = None
        self.trajectories: dict[int, Trajectory] = {}

    def forward_train(self, feature: tuple[Tensor, ...]) -> dict[int, Trajectory]:
        """A pyramid of L features (B, C, H_l, W_l) -> level -> trajectory; several losses get the same ones."""
        if feature is not self.feature:
            self.feature, self.trajectories = feature, self.flow(feature)
        return self.trajectories

    def forget(self) -> None:
        """Keep nothing of the last pyramid; MMRazor calls a connector once for each loss that it leads to."""
        self.feature, self.trajectories = None, {}
