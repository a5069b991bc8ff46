# LD (arXiv:2102.12252): the distributions of the sides of boxes, and class logits as in kd.
_base_ = '../distillers/boxes.py'

distiller = dict(
    distill_losses=dict(
        _delete_=True,
        loss_box=dict(type='mmrazor.BoxLoss', metric=dict(type='mmrazor.LDMetric', temperature=10.0)),
        loss_logit=dict(type='mmrazor.LogitLoss', metric=dict(type='mmrazor.BinaryKDMetric', reduction='objects')),
    )
)
