"""Pair Decoupling: some of the batch is compared with the teacher's features of other images."""

import torch
from torch import Tensor


def decoupled_order(batch_size: int, keep_pairs: float) -> Tensor:
    """Whose target each of B images is compared with, (B,): its own for a share `keep_pairs`, another's for the rest.

    The rest is drawn from PyTorch's generator and passed round in a circle, so that each of it gets another's. A rest
    of one keeps its own (arXiv:2402.02012, Pair Decoupling).
    """
    order = torch.arange(batch_size)
    others = torch.randperm(batch_size)[: round((1 - keep_pairs) * batch_size)]
    order[others] = others.roll(1)
    return order


def decouple(target: Tensor, order: Tensor) -> Tensor:
    """The targets (B, ...) in that order, as a new tensor: the teacher's own is not touched."""
    return target.index_select(0, order.to(target.device))
