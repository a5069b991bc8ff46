"""Metrics for sigmoid logits."""

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce
from mmrazor.registry import MODELS
from torch import Tensor, nn

SCORE_THRESHOLD = 0.05  # that of MMDetection's detectors


def confidence(best_scores: Tensor) -> Tensor:
    """The sum of the scores (n, ) of anchors that a detector would report, the mean over all processes, at least 1.

    The scores of the others are small, but there are a hundred thousand of them in an image of COCO. The mean is what
    MMDetection's newer heads count positives by: an image with few objects would weigh more than others if each process
    divided by its own. Where nothing is trained, one process may look alone, and it is the sum of its own.
    """
    return mean_of_processes((best_scores * (best_scores > SCORE_THRESHOLD)).sum()).clamp(min=1)


def confidence_of_rows(scores: Tensor) -> Tensor:
    """:func:`confidence` of anchors (R, K) by their scores.

    Raises:
        ValueError: if they are maps, which do not say how many anchors a location has.
    """
    if scores.dim() != 2:
        raise ValueError(
            "QualityFocalMetric and BinaryKDMetric(reduction='objects') must get rows (R, K), one for each anchor, "
            f'but got maps of the shape {tuple(scores.shape)}; wrap it for a head of A anchors at a location: '
            "dict(type='mmrazor.PerPixelMetric', metric=..., groups=A)"
        )
    return confidence(scores.amax(1))


def mean_of_processes(values: Tensor) -> Tensor:
    """The mean of the values of all processes, each of which must call this as often; not without gradients."""
    if torch.is_grad_enabled():
        all_reduce(values, 'mean')
    return values


@MODELS.register_module()
class BinaryKDMetric(nn.Module):
    r"""The divergence between two Bernoulli distributions for every class of a sigmoid classifier.

    .. math:: L = \tau^2 \, \mathrm{mean} \sum_k \mathrm{KL}(\sigma(t_k / \tau) \,\|\, \sigma(s_k / \tau))

    summed over the classes (and anchors) and averaged over images and locations: what distillation with a softmax
    (arXiv:1503.02531) becomes for heads with focal loss, where an anchor is of several classes or of none.

    Almost all anchors are background, on which the two agree soon. With `reduction='objects'` the sum is divided not by
    the number of locations but by :func:`confidence` of the teacher, which is about the number of anchors on objects;
    each anchor is a row then.

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
            return divergence.sum() / confidence_of_rows(teacher.sigmoid())
        return divergence.mean()


@MODELS.register_module()
class QualityFocalMetric(nn.Module):
    r"""The quality focal loss with the teacher's scores as labels: what BCKD (arXiv:2308.14286) compares classes by.

    .. math:: L = \frac{\sum_{r,k} |\sigma(t_{rk}) - \sigma(s_{rk})|^\beta \mathrm{BCE}(s_{rk}, \sigma(t_{rk}))}
        {\max(1, \sum_{r: p_r > 0.05} p_r)}, \quad p_r = \max_k \sigma(t_{rk})

    It is 0 where the two agree, and fades faster than :class:`BinaryKDMetric` when they nearly do. BCKD divides by the
    number of positives of the student instead, which :func:`confidence` is about.

    Args:
        beta: at least 0; 1 in BCKD.

    Raises:
        ValueError: if `beta` is negative.
    """

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        if beta < 0:
            raise ValueError(f'`beta` of QualityFocalMetric must be at least 0, but got {beta}')
        self.beta = beta

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Logits (R, K) of student and teacher -> scalar, at least 0."""
        scores = teacher.sigmoid()
        return quality_focal(student, scores, self.beta).sum() / confidence_of_rows(scores)


def quality_focal(logits: Tensor, scores: Tensor, beta: float) -> Tensor:
    """The quality focal loss (arXiv:2006.04388, equation 5) of logits for scores in [0, 1], without reduction."""
    crossed = F.binary_cross_entropy_with_logits(logits, scores, reduction='none')
    difference = (scores - logits.sigmoid()).abs()
    if 0 < beta < 1:  # the gradient of such a power has no limit at 0
        difference = difference.clamp(min=torch.finfo(difference.dtype).eps)
    return difference.pow(beta) * crossed
