"""The layer of a head that turns its last classification feature into logits."""

from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.models.roi_heads.bbox_heads import BBoxHead
from torch import nn

# RetinaNet, FCOS and other anchor-free heads, ATSS, GFL, VFNet, RepPoints, RoI heads
NAMES = ('retina_cls', 'conv_cls', 'atss_cls', 'gfl_cls', 'vfnet_cls', 'reppoints_cls_out', 'fc_cls')


def find_classifier(head: nn.Module, name: str | None = None) -> nn.Conv2d | nn.Linear:
    """The classifier of a dense head or of a RoI head.

    Args:
        head: a head of a detector.
        name: name of the layer, where it is none of mmdet's usual ones.

    Raises:
        ValueError: if the head has no such layer, in which case the message lists its layers that could be one, or if
            it turns its logits into probabilities itself.
    """
    if not isinstance(head, (BaseDenseHead, BBoxHead)):
        raise ValueError(
            f'a logit flow must stand in a dense head or in the box head of a RoI head, but got '
            f'{type(head).__name__}; transport the features of the neck instead'
        )
    if getattr(getattr(head, 'loss_cls', None), 'activated', False):
        raise ValueError(
            f'a logit flow must stand in a head whose scores are logits, but those of {type(head).__name__} '
            'are probabilities; transport the features of the neck instead'
        )
    layers = {child: module for child, module in head.named_children() if isinstance(module, (nn.Conv2d, nn.Linear))}
    for candidate in [name] if name else NAMES:
        if candidate in layers:
            return layers[candidate]
    raise ValueError(
        f'a logit flow must stand before one convolution or linear layer that classifies, called '
        f'{name or ", ".join(NAMES)}, but {type(head).__name__} has {", ".join(layers) or "no such layer"}; '
        "set `classifier` to the layer's name, or transport the features of the neck instead"
    )


def find_classifier_name(head: nn.Module) -> str:
    """The name of the classifier in its head; raises as :func:`find_classifier`."""
    layer = find_classifier(head)
    return next(name for name, module in head.named_children() if module is layer)


def why_no_classifier(head: nn.Module) -> str | None:
    """Why no flow can stand before the classifier of a head; None if one can."""
    try:
        find_classifier(head)
    except ValueError as error:
        return str(error)
    return None


def classifier_width(head: nn.Module) -> int:
    """The channels of the feature that the classifier of a head reads; raises as :func:`find_classifier`."""
    layer = find_classifier(head)
    return layer.in_channels if isinstance(layer, nn.Conv2d) else layer.in_features
