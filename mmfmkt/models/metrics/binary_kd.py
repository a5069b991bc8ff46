"""The metric for sigmoid logits."""

import torch.nn.functional as F
from mmrazor.registry import MODELS
from torch import Tensor, nn

SCORE_THRESHOLD = 0.05  # that of MMDetection's detectors


def confidence(best_scores: Tensor) -> Tensor:
    """The sum of the scores (n, ) of anchors that a detector would report, at least 1.

    The scores of the others are small, but there are a hundred thousand of them in an image of COCO.
    """
    return best_scores[best_scores > SCORE_THRESHOLD].sum().clamp(min=1)


@MODELS.register_module()
class BinaryKDMetric(nn.Module):
    r"""The divergence between two Bernoulli distributions for every class of a sigmoid classifier.

    .. math:: L = \tau^2 \, \mathrm{mean} \sum_k \mathrm{KL}(\sigma(t_k / \tau) \,\|\, \sigma(s_k / \tau))

    summed over the classes (and anchors) and averaged over images and locations: what distillation with a softmax
    (arXiv:1503.02531) becomes for heads with focal loss, where an anchor is of several classes or of none.

    Almost all anchors are background, on which the two agree soon. With `reduction='objects'` the sum is divided not by
    the number of locations but by :func:`confidence` of the teacher, which is about the number of anchors on objects.

    Args:
        tau: temperature, above 0.
        loss_weight: factor, at least 0.
        reduction: 'mean' or 'objects'.

    Raises:
        ValueError: if `tau` is not above 0, if `loss_weight` is negative, or if `reduction` is none of the two.
    """

    def __init__(self, tau: float = 1.0, loss_weight: float = 1.0, reduction: str = 'mean') -> None:
        super().__init__()
        if tau <= 0 or loss_weight < 0:
            raise ValueError(f'`tau` must be above 0 and `loss_weight` at least 0, but got {tau} and {loss_weight}')
        if reduction not in ('mean', 'objects'):
            raise ValueError(f"`reduction` of BinaryKDMetric must be 'mean' or 'objects', but got {reduction!r}")
        self.tau, self.loss_weight, self.reduction = tau, loss_weight, reduction

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Logits (B, A K, H, W) or (R, K) of student and teacher -> scalar, at least 0."""
        target = (teacher / self.tau).sigmoid()
        crossed, entropy = (
            F.binary_cross_entropy_with_logits(logits / self.tau, target, reduction='none')
            for logits in (student, teacher)
        )
        divergence = self.loss_weight * self.tau**2 * (crossed - entropy).sum(1)
        if self.reduction == 'objects':
            return divergence.sum() / confidence(teacher.sigmoid().amax(1))
        return divergence.mean()
