"""What a user wants to see of a flow in training: the bound that it minimises, and the ensemble of its steps."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor


@torch.no_grad()
def diagnose(
    predictions: Sequence[Tensor], weights: Sequence[float], distances: Sequence[Tensor], target: Tensor
) -> dict[str, Tensor]:
    r"""The loss of each step, and the two terms of the bound.

    .. math:: \|Z_0 - X^T\|^2 = \sum_i w_i \|\hat X_i - X^T\|^2 - \sum_i w_i \|\hat X_i - Z_0\|^2

    The error of the output is the mean error of the steps minus their *ambiguity*: how much they differ (the ambiguity
    decomposition of ensembles, Krogh and Vedelsby, 1994). Both are means over all elements, in float32 at least, and
    sum to the bound. The metric of the steps is that of the loss, without its weight.

    Args:
        predictions: what each of the N steps predicts, `T(X̂_i)`, of one shape; the output is their weighted mean.
        weights: the weights of that mean.
        distances: the metric of each step, N scalars.
        target: what is predicted, of the predictions' shape.

    Returns:
        `step1` ... `stepN` (t = 1 first), `output_error` and `ambiguity`, scalars.
    """
    dtype = torch.promote_types(target.dtype, torch.float32)
    predictions, target = [prediction.to(dtype) for prediction in predictions], target.to(dtype)
    output = sum(weight * prediction for weight, prediction in zip(weights, predictions))
    squares = (weight * (prediction - output).square().mean() for weight, prediction in zip(weights, predictions))
    ambiguity = cast(Tensor, sum(squares))
    steps = {f'step{index}': distance.detach() for index, distance in enumerate(distances, 1)}
    return dict(steps, output_error=(output - target).square().mean(), ambiguity=ambiguity)
