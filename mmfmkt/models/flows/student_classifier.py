"""From features to logits with the student's own classifier."""

from mmengine.model import BaseModel
from mmrazor.models.architectures.connectors.base_connector import BaseConnector
from mmrazor.registry import MODELS
from torch import Tensor, nn

from mmfmkt.detectors.classifier import find_classifier
from mmfmkt.flow import Trajectory


@MODELS.register_module()
class StudentClassifier(BaseConnector):
    """The transformation `T` of logit FM-KT: last tower feature -> logits.

    It has no parameters of its own: it runs the layer that the student's head has, so that layer learns from it too.

    Args:
        head: name of the head in the student, 'bbox_head' or 'roi_head.bbox_head'.
        classifier: name of the classifying layer, where it is none of mmdet's usual ones.

    Raises:
        ValueError: if the student has no such head, or the head no classifier.
    """

    def __init__(self, head: str = 'bbox_head', classifier: str | None = None) -> None:
        super().__init__()
        self.head, self.classifier = head, classifier
        self.layer: tuple[nn.Module, ...] = ()  # a tuple keeps the student's layer out of this module's children

    def prepare_from_student(self, student: BaseModel) -> None:
        modules = dict(student.named_modules())
        if self.head not in modules:
            heads = [name for name in modules if name.endswith('_head')]
            raise ValueError(
                f'`head` must be a head of {type(student).__name__}, which has {", ".join(heads)}, '
                f'but got {self.head!r}'
            )
        self.layer = (find_classifier(modules[self.head], self.classifier),)

    def of_endpoints(self, trajectory: Trajectory) -> tuple[Tensor, ...]:
        """The logits of every step. They are kept with the trajectory, because several losses read them."""
        kept = vars(trajectory).setdefault('logits', {})
        if self.layer not in kept:
            kept[self.layer] = tuple(map(self, trajectory.endpoints))
        return kept[self.layer]

    def forward_train(self, feature: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, A K, H, W) for a dense head of A anchors and K classes, or (B, C) -> (B, K + 1)."""
        # not as a call of the layer: a flow that stands before it would transport the feature once more
        return self.layer[0].forward(feature)
