"""Logit FM-KT: a head whose classifier reads transported features."""

from functools import partial
from typing import Any

from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmfmkt.common.memory_layout import layout_of
from mmfmkt.detectors.classifier import find_classifier
from mmfmkt.flow import Trajectory

from .pyramid_flow import PyramidFlow


class FeatureFlow(PyramidFlow):
    """The flow of one feature, (B, C, H, W) or (B, C), in a head that may run it once a level.

    Args:
        flow: arguments of :class:`~mmfmkt.models.flows.pyramid_flow.PyramidFlow` but `levels`.
    """

    def __init__(self, **flow: Any) -> None:
        if 'levels' in flow:
            raise ValueError(
                f'the flow of a head must have no `levels`, because it runs on all that the head reads, but '
                f'got {flow["levels"]}'
            )
        super().__init__(levels=(0,), **flow)
        self.steps_of_pass: int | None = None  # none outside of a head

    def stand_before(self, classifier: nn.Module, head: nn.Module) -> None:
        """Let `classifier` read transported features, with one number of steps in every pass of `head`."""
        # bound methods: a deep copy of the head runs its own flow
        head.register_forward_pre_hook(self.begin_pass)
        head.register_forward_hook(self.end_pass, always_call=True)
        classifier.register_forward_pre_hook(self.transport_input)

    def begin_pass(self, head: nn.Module, args: tuple) -> None:
        self.steps_of_pass = super().draw_num_steps()

    def end_pass(self, head: nn.Module, args: tuple, output: tuple) -> None:
        self.steps_of_pass = None

    def draw_num_steps(self) -> int:
        return self.steps_of_pass or super().draw_num_steps()

    def transport_input(self, module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (self(args[0]).output.contiguous(memory_format=layout_of(args[0])), *args[1:])

    def forward(self, feature: Tensor) -> Trajectory:  # type: ignore[override]  # of one feature, not of a pyramid
        return super().forward([feature])[0]


@MODELS.register_module(name='FlowHead')
def flow_head(
    head: dict, flow: dict, classifier: str | None = None, train_cfg: dict | None = None, test_cfg: dict | None = None
) -> nn.Module:
    """A dense head or a RoI head, and in it a flow between the last feature of its classification tower and its
    classifier: logit FM-KT (arXiv:2402.02012, section 3).

    It is the head itself, of its own class, with one child more, `flow`: stock keys in the state dict, and `flow.*`
    besides. Dense heads run it once a level, with the same weights, as they run their tower; their trajectories are the
    outputs of `flow`, one record a level.

    Args:
        head: config of the head.
        flow: arguments of :class:`~mmfmkt.models.flows.pyramid_flow.PyramidFlow` but `levels`; `channels` of the
            meta-encoder are those of the tower.
        classifier: name of the classifying layer, where it is none of mmdet's usual ones.
        train_cfg: given to the head by the detector.
        test_cfg: given to the head by the detector.

    Raises:
        ValueError: if the head has no classifier, and as
            :class:`~mmfmkt.models.flows.pyramid_flow.PyramidFlow`.
    """
    given = {name: cfg for name, cfg in dict(train_cfg=train_cfg, test_cfg=test_cfg).items() if cfg is not None}
    built = MODELS.build({**head, **given})
    layer = find_classifier(built, classifier)
    built.flow = FeatureFlow(**flow)
    built.flow.stand_before(layer, built)
    built.init_weights = partial(initialise, built)
    return built


def initialise(head: BaseModule) -> None:
    """Initialise a head and then its flow, because heads fill every convolution that they find in themselves."""
    type(head).init_weights(head)
    for meta_encoder in head.flow.meta_encoders.values():
        meta_encoder.reset()
