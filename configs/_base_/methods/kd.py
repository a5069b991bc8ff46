# KD (arXiv:1503.02531): class logits, sigmoid for dense heads, softmax for box heads.
_base_ = '../distillers/logits.py'

distiller = dict(distill_losses=dict(loss_logit=dict(metric=dict(type='mmrazor.BinaryKDMetric', reduction='objects'))))
for_students = dict(two_stage=dict(metric=dict(_delete_=True, type='mmrazor.KLDivergence')))
