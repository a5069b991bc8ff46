"""What many tests do with a model."""

import torch

from mmfmkt.models import MetaEncoder


def total(losses):
    """The sum that is trained: of the entries with "loss" in their name."""
    return sum(sum(value) if isinstance(value, list) else value for name, value in losses.items() if 'loss' in name)


def gradients(model, loss):
    """Name of a parameter -> its gradient, of those that have one."""
    model.zero_grad()
    loss.backward()
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


def wake(model, std=1.0):
    """Let every flow in a model leave the identity, as training does."""
    meta_encoders = [module for module in model.modules() if isinstance(module, MetaEncoder)]
    assert meta_encoders
    for meta_encoder in meta_encoders:
        torch.nn.init.normal_(meta_encoder.layers[-1].weight, std=std)
