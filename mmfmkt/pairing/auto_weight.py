"""`loss_weight='auto'`: the weight of the first loss follows the size of its gradient."""

from __future__ import annotations

AUTO = 'auto'


def without_auto(loss: dict | None, balance: dict | None) -> tuple[dict | None, bool]:
    """The settings of the first loss with a number as its weight, and whether the weight shall be found.

    Raises:
        ValueError: if there are settings for finding it, and it is given.
    """
    if loss and loss.get('loss_weight') == AUTO:
        return dict(loss, loss_weight=1.0), True
    if balance and 'losses' not in balance:
        raise ValueError(
            f"`balance` of a pair must be set together with loss=dict(loss_weight='auto'), but got {balance} for "
            f'{(loss or {}).get("loss_weight", "the weight of the method")}'
        )
    return loss, False


def balance_of(balance: dict | None, first: str, num_teachers: int) -> dict:
    """The balance of the first loss; of several teachers each has one like it, with a number."""
    return {'losses': [first, *(f'{first}_{number}' for number in range(1, num_teachers))], **(balance or {})}
