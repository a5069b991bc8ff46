"""PKD with the statistics of the whole batch, those of a target computed once."""

from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce, get_world_size
from mmrazor.models.losses import PKDLoss
from mmrazor.registry import MODELS
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmfmkt.common.memory_layout import layout_of

EPS = 1e-6  # MMRazor's


@MODELS.register_module()
class PKDMetric(PKDLoss):
    r"""PKD (arXiv:2207.02039), 1 minus the correlation of two features in each channel, summed as in MMRazor.

    .. math:: \frac 1 2 \mathrm{mean} (\frac{x - \mu_x}{\sigma_x + \epsilon} - \frac{y - \mu_y}{\sigma_y + \epsilon})^2

    Means and standard deviations are those of a channel over all images, as in the paper. In training they are taken
    over the images of all processes, so that several processes compute what one would on the joined batch, and each of
    them returns the loss of that. MMRazor's takes each process for itself, and is NaN where a channel has a single
    location; here that loss is 0.

    In one process the two agree otherwise, up to rounding. Here the square is multiplied out, into sums over locations,
    so that no normalised feature is made or kept for the backward pass. The sums are computed in float32 at least, and
    in any memory layout. The teacher's feature gets no gradient.

    Args:
        loss_weight: a factor.
        resize_stu: where it is a loss by itself, in a distiller of MMRazor's, resize the student's feature if the two
            differ in height, else the teacher's; losses between levels take no such pair.
    """

    def forward(self, preds_S: Tensor | Sequence[Tensor], preds_T: Tensor | Sequence[Tensor]) -> Tensor:
        """The loss of features (B, C, H, W), or the sum of those of several."""
        if isinstance(preds_S, Tensor):
            preds_S, preds_T = [preds_S], [cast(Tensor, preds_T)]
        pairs = map(self.resize, preds_S, preds_T)
        return cast(Tensor, sum(self.distances([student], teacher)[0] for student, teacher in pairs))

    def resize(self, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
        if student.shape[2:3] == teacher.shape[2:3]:
            return student, teacher
        if self.resize_stu:
            return F.interpolate(student, teacher.shape[2:], mode='bilinear'), teacher
        return student, F.interpolate(teacher, student.shape[2:], mode='bilinear')

    def distances(self, predictions: Sequence[Tensor], target: Tensor) -> list[Tensor]:
        """The loss of each of several features and one target, all of one shape."""
        joined = self.training and get_world_size() > 1
        return [self.loss_weight * loss for loss in Correlations.apply(joined, target, *predictions)]


class Correlations(torch.autograd.Function):
    r"""The loss of K predictions x (B, C, ...) and a target y of their shape, (K,).

    With the sums `S_xx` of `(x - \mu_x)^2` and `S_xy` of `(x - \mu_x)(y - \mu_y)` over the n locations of a channel,
    and `s_x = \sigma_x + \epsilon`, it is

    .. math:: \frac 1 {2 n C} \sum_c \frac{S_{xx}}{s_x^2} + \frac{S_{yy}}{s_y^2} - 2 \frac{S_{xy}}{s_x s_y}

    whose gradient by x is `b (x - \mu_x) + a (y - \mu_y)`, with a and b constant in a channel.
    """

    @staticmethod
    def forward(ctx: Any, joined: bool, target: Tensor, *predictions: Tensor) -> Tensor:
        target, target_mean = centred(target.to(memory_format=layout_of(predictions[0])))
        of_all = zip(
            *(sums(*centred(prediction), target) for prediction in predictions), sums(target, target_mean, target)
        )
        # float64, which costs nothing here: what follows takes differences of what is nearly equal where x is near y
        means, squares, products = (torch.stack(each).double() for each in of_all)
        own_count = target[:, 0].numel()
        count: int | Tensor = own_count
        n: int | Tensor = max(own_count - 1, 1)
        shift = None
        if joined:
            count, means, squares, products = join(own_count, means, squares, products)
            n = (count - 1).clamp(min=1)
            shift = (target_mean - means[-1]).to(target.dtype)  # the target has its own mean here
        deviations = (squares / n).sqrt()
        scales = deviations + EPS
        s, s_target = scales[:-1], scales[-1]
        xx, xy = squares[:-1], products[:-1]
        terms = xx / s**2 + squares[-1] / s_target**2 - 2 * xy / (s * s_target)
        factor = (get_world_size() if joined else 1) / (count * target.shape[1])  # processes take the mean of gradients
        a = -factor / (s * s_target)
        # the derivative of S_xx / s_x^2 is almost zero, and written so that its two parts need not cancel out
        b = factor * (EPS / s**3 + xy / (s**2 * s_target) / (n * deviations[:-1].clamp(min=1e-30)))
        ctx.shift = shift
        ctx.save_for_backward(target, *(each.to(target.dtype) for each in (means[:-1], a, b)), *predictions)
        return (terms.flatten(1).sum(1) / (2 * count * target.shape[1])).to(target.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradients: Tensor) -> tuple:
        target, means, a, b, *predictions = ctx.saved_tensors
        by_prediction = []
        for k, (gradient, prediction) in enumerate(zip(gradients, predictions)):
            difference = prediction.to(means.dtype) - means[k]
            difference.mul_(b[k] * gradient).addcmul_(target, a[k] * gradient)
            if ctx.shift is not None:
                difference.add_(a[k] * gradient * ctx.shift)
            by_prediction.append(difference.to(prediction.dtype))
        return None, None, *by_prediction


def centred(feature: Tensor) -> tuple[Tensor, Tensor]:
    """A feature (B, C, ...) minus the mean of each channel, and that, (1, C, ...), in float32 at least."""
    feature = feature.to(torch.promote_types(feature.dtype, torch.float32))
    mean = feature.mean(locations(feature), keepdim=True)
    return feature - mean, mean


def sums(feature: Tensor, mean: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The mean that was taken off a feature, and the sums of its squares and of its products with the target."""
    # both in one way, so that a feature that is its target has a loss of 0 and not one of rounding errors
    squares, products = ((feature * other).sum(locations(feature), keepdim=True) for other in (feature, target))
    return mean, squares, products


def locations(feature: Tensor) -> tuple[int, ...]:
    """All dimensions but that of the channels."""
    return tuple(dim for dim in range(feature.dim()) if dim != 1)


def join(count: int, means: Tensor, squares: Tensor, products: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Number of locations, means and sums over all processes, of those of each; the last entry is the target's.

    Every process must call it. They are float64, in which taking off the squares of the means costs no digits.
    """
    first = torch.stack([means, squares, products])
    first[1:] += count * first[0] * torch.stack([first[0], first[0][-1:].expand_as(first[0])])
    first[0] *= count
    total = torch.cat([first.flatten(), first.new_tensor([count])])
    all_reduce(total)
    total_count, (mean, square, product) = total[-1], total[:-1].view_as(first)
    mean = mean / total_count
    square, product = square - total_count * mean**2, product - total_count * mean * mean[-1]
    return total_count, mean, square.clamp(min=0), product
