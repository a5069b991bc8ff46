"""The losses of a distiller, of what its recorders have kept: of all, or of those that an iteration has."""

from __future__ import annotations

from collections.abc import Mapping

from mmengine.logging import MessageHub
from mmrazor.models.distillers import ConfigurableDistiller
from torch import Tensor, nn

from mmfmkt.compat import replaced
from mmfmkt.models.recorders.recorded_heads import forget_records
from mmfmkt.models.recorders.recorder_sources import check_recorded
from mmfmkt.models.recorders.recorders import teacher_of


def turn_of(number: int) -> int:
    """Which of so many teachers this iteration has, 0 for the first; without a runner it is the first."""
    return MessageHub.get_current_instance().get_info('iter', 0) % number


def mappings_of_turn(distiller: ConfigurableDistiller, turn: int | None) -> dict[str, Mapping]:
    """The mappings of the losses that read this teacher or none; of all losses for None."""

    def teachers_of(mapping: Mapping) -> set[int]:
        records = [record['recorder'] for record in mapping.values() if not record['from_student']]
        return {teacher_of(distiller.teacher_recorders.recorders[name]) for name in records}

    mappings = distiller.loss_forward_mappings
    return {name: mapping for name, mapping in mappings.items() if turn is None or teachers_of(mapping) <= {turn}}


def left_out(distiller: ConfigurableDistiller, mappings: dict[str, Mapping]) -> list[nn.Module]:
    """The losses and connectors that these mappings do not train: of another teacher's turn, or only logged."""
    trained = {name: mapping for name, mapping in mappings.items() if 'loss' in name}
    read = {record.get('connector') for mapping in trained.values() for record in mapping.values()}
    return [
        *(loss for name, loss in distiller.distill_losses.items() if name not in trained),
        *(connector for name, connector in distiller.connectors.items() if name not in read),
    ]


def losses_of_recorded(distiller: ConfigurableDistiller, mappings: dict[str, Mapping]) -> dict[str, Tensor]:
    """The losses of these mappings, of what was recorded last; it is forgotten then.

    Raises:
        ValueError: if a module that one of them reads did not run.
    """
    with replaced(distiller, 'loss_forward_mappings', mappings):
        check_recorded(distiller)
        losses = distiller.compute_distill_losses()
    forget_records(distiller)
    return losses
