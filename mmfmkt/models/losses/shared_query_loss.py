"""KD-DETR: student and teacher decode the same queries."""

from __future__ import annotations

import weakref
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy, bbox_overlaps
from mmengine.model import BaseModel
from mmrazor.registry import MODELS
from torch import Tensor, nn

from mmfmkt.detectors.query_decoders import why_decoders_differ
from mmfmkt.models.metrics.binary_kd import SCORE_THRESHOLD, mean_of_processes
from mmfmkt.models.recorders.recorders import Call

# arguments of a decoder: query and, where it has one, query_pos (B, Q, C), reference_points (B, Q, 4 or 2) in [0, 1]
Queries = dict[str, Tensor]
ARGUMENTS = ('query', 'query_pos', 'reference_points')
Outputs = tuple[Tensor, Tensor]  # of all layers: logits (L, B, Q, K); boxes (L, B, Q, 4) as cx, cy, w, h in [0, 1]


@MODELS.register_module()
class SharedQueryLoss(nn.Module):
    r"""KD-DETR (arXiv:2211.08071): the decoders of student and teacher predict from the same queries.

    Two DETRs have queries of their own, so that their predictions do not belong together. Here the student decodes
    queries of the teacher besides its own, and its i-th prediction follows the teacher's i-th. With `s` and `t` the
    logits, `b` the boxes as cx, cy, w, h in [0, 1], and `w_i = max_k sigmoid(t_ik)`, the loss of a set of queries is

    .. math::
        \sum_l \frac{\sum_i w_i \big( \lambda_c \sum_k \mathrm{KL}(\sigma(t_{ik}) \,\|\, \sigma(s_{ik}))
        + \lambda_1 \|b^s_i - b^t_i\|_1 + \lambda_g (1 - \mathrm{GIoU}(b^s_i, b^t_i)) \big)}
        {\max(1, \sum_{i: w_i > 0.05} w_i)}

    summed over the layers of the decoders, the last with the last, and so on for as many as both have. KL is that of
    two Bernoulli distributions. The sets are

    - *specific*: the queries with which the teacher detects objects in the image;
    - *general*: queries of the teacher's drawn with replacement, each moved to a reference point or box that is drawn
      from the uniform distribution on [0, 1], anew in every iteration.

    The sets are decoded one after the other, so that their queries do not attend to each other. The encoder of the
    student does not run again. Encoder and decoder of the teacher run without gradients.

    The shared queries, the two sets, the weights `w_i` and the three terms are the paper's. KL for sigmoid classifiers,
    general queries with contents of the teacher's, the sum over layers and the divisor are this project's.

    Args:
        num_general: number of general queries for each image, at least 1.
        general_weight: factor of the general queries, at least 0; at 0 there are none.
        specific_weight: factor of the specific queries, at least 0; at 0 the student does not decode them.
        cls_weight: lambda_c, at least 0.
        l1_weight: lambda_1, at least 0.
        giou_weight: lambda_g, at least 0.
        loss_weight: factor of everything, at least 0.

    Raises:
        ValueError: if `num_general` is no number of at least 1, if a weight is negative, or if both sets have weight 0.
    """

    def __init__(
        self,
        num_general: int = 300,
        general_weight: float = 1.0,
        specific_weight: float = 1.0,
        cls_weight: float = 1.0,
        l1_weight: float = 5.0,
        giou_weight: float = 2.0,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if not isinstance(num_general, int) or num_general < 1:
            raise ValueError(
                f'`num_general` of SharedQueryLoss must be a whole number of at least 1, but got {num_general!r}; set '
                '`general_weight` to 0 for no general queries'
            )
        weights = (general_weight, specific_weight, cls_weight, l1_weight, giou_weight, loss_weight)
        if min(weights) < 0 or not any(weights[:2]):
            raise ValueError(
                'the weights of SharedQueryLoss must be at least 0, and `general_weight` or `specific_weight` above, '
                f'but got general_weight={general_weight}, specific_weight={specific_weight}, cls_weight={cls_weight}, '
                f'l1_weight={l1_weight}, giou_weight={giou_weight}, loss_weight={loss_weight}'
            )
        self.num_general, self.general_weight, self.specific_weight = num_general, general_weight, specific_weight
        self.terms, self.loss_weight = (cls_weight, l1_weight, giou_weight), loss_weight

    @staticmethod
    def misfit(student: BaseModel, teacher: BaseModel) -> str | None:
        """Why the two cannot decode the same queries; None if they can."""
        return why_decoders_differ(student, teacher)

    def prepare_from_teacher(self, teacher: BaseModel) -> None:
        self.teacher = weakref.ref(teacher)  # neither a child, nor kept when the teacher is freed

    def forward(
        self, decoder: Sequence[Call], head: Sequence[Call], teacher_features: Sequence[Tensor], data_samples: list
    ) -> Tensor:
        """The loss, a scalar.

        Args:
            decoder: the call of the student's decoder, with which it decoded its own queries.
            head: the call of its head.
            teacher_features: the teacher's pyramid, (B, C, H_l, W_l) each.
            data_samples: those of the batch, with the sizes of the images.
        """
        teacher = self.teacher()
        assert teacher is not None  # it is freed with the student's distillation, and then there is none
        call, target = detect(teacher, teacher_features, data_samples)
        queries = {name: call.kwargs[name] for name in ARGUMENTS if name in call.kwargs}
        losses = []
        if self.specific_weight:
            followed = distance(decode(decoder[0], head[0].module, queries), target, self.terms)
            losses.append(self.specific_weight * followed)
        if self.general_weight:
            queries = moved(queries, self.num_general)
            with torch.no_grad():
                target = decode(call, teacher.bbox_head, queries)
            followed = distance(decode(decoder[0], head[0].module, queries), target, self.terms)
            losses.append(self.general_weight * followed)
        return self.loss_weight * torch.stack(losses).sum()


@torch.no_grad()
def detect(detector: BaseModel, pyramid: Sequence[Tensor], data_samples: list) -> tuple[Call, Outputs]:
    """Run encoder, decoder and head on a pyramid; returns the call of the decoder and what the head predicts."""
    calls: list[Call] = []
    hook = detector.decoder.register_forward_pre_hook(lambda *call: calls.append(Call(*call)), with_kwargs=True)
    try:
        outputs = detector.bbox_head(**detector.forward_transformer(tuple(pyramid), data_samples))
    finally:
        hook.remove()
    return calls[0], outputs


def decode(call: Call, head: nn.Module, queries: Queries) -> Outputs:
    """What a decoder and its head predict from queries, in the images of an earlier call of the decoder."""
    # without the mask of denoising queries, which these are not
    states, references = call.module(**{**call.kwargs, 'self_attn_mask': None, **queries})
    # DINO's decoder returns the first references too
    return head(states, [queries['reference_points'], *references][-len(states) - 1 :])


def moved(queries: Queries, number: int) -> Queries:
    """So many of the queries, drawn with replacement, at random places in [0, 1]."""
    device, total = queries['query'].device, queries['query'].shape[1]
    chosen = torch.randint(total, (number,), device=device)
    general = {name: value[:, chosen] for name, value in queries.items()}
    return {**general, 'reference_points': torch.rand_like(general['reference_points'])}


def distance(student: Outputs, teacher: Outputs, weights: tuple[float, float, float]) -> Tensor:
    """The loss of a set of queries, a scalar in float32 or more; see :class:`SharedQueryLoss`.

    Args:
        student: its logits (L, B, Q, K) and boxes (L, B, Q, 4).
        teacher: the same, of any number of layers, without a gradient.
        weights: of KL, L1 and GIoU.
    """
    layers = min(len(student[0]), len(teacher[0]))
    logits, boxes, targets, target_boxes = (
        part[-layers:].to(torch.promote_types(part.dtype, torch.float32)) for part in (*student, *teacher)
    )
    scores = targets.sigmoid()
    weight = scores.amax(-1)
    crossed, entropy = (
        F.binary_cross_entropy_with_logits(each, scores, reduction='none') for each in (logits, targets)
    )
    giou = bbox_overlaps(
        bbox_cxcywh_to_xyxy(boxes), bbox_cxcywh_to_xyxy(target_boxes), mode='giou', is_aligned=True, eps=1e-12
    )
    terms = (crossed - entropy).sum(-1), (boxes - target_boxes).abs().sum(-1), 1 - giou
    total = sum(factor * term for factor, term in zip(weights, terms))
    objects = mean_of_processes((weight * (weight > SCORE_THRESHOLD)).sum((1, 2))).clamp(min=1)
    return ((weight * total).sum((1, 2)) / objects).sum()
