# BCKD (arXiv:2308.14286): the scores of every class by themselves, and the overlap of boxes where the scores differ.
_base_ = '../distillers/boxes.py'

distiller = dict(
    distill_losses=dict(
        loss_logit=dict(metric=dict(type='mmrazor.QualityFocalMetric', beta=1.0)),
        loss_box=dict(metric=dict(type='mmrazor.IoUMetric'), weighting='difference', loss_weight=4.0),
    )
)
