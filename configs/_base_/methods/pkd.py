# PKD (arXiv:2207.02039): the correlation of each channel of student and teacher.
_base_ = '../distillers/features.py'

distiller = dict(distill_losses=dict(loss_feature=dict(loss_weight=10.0, metric=dict(type='mmrazor.PKDMetric'))))
for_students = dict(two_stage=dict(loss_weight=6.0))
