"""What is done with the losses that a model returns, name -> loss."""

from typing import cast

from torch import Tensor, nn


def scaled(losses: dict, weight: float | Tensor) -> dict:
    """The losses that are trained, times a weight."""
    return {
        name: [weight * part for part in value] if isinstance(value, list) else weight * value
        for name, value in losses.items()
        if 'loss' in name
    }


def total(losses: dict) -> Tensor:
    """The sum of the losses that are trained, each a mean over its entries, as MMEngine makes it."""
    parts = [value if isinstance(value, list) else [value] for name, value in losses.items() if 'loss' in name]
    return cast(Tensor, sum(part.mean() for value in parts for part in value))


def unused(*modules: nn.Module) -> dict[str, Tensor]:
    """A loss of 0 that reads all parameters of modules, because each process must compute a gradient for each."""
    parameters = [parameter for module in modules for parameter in module.parameters() if parameter.requires_grad]
    if not parameters:
        return {}
    return {'distill.loss_unused': cast(Tensor, sum(0 * parameter.sum() for parameter in parameters))}
