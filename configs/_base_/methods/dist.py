# DIST (arXiv:2205.10536): the correlations of class logits within anchors and within classes.
_base_ = '../distillers/logits.py'

distiller = dict(distill_losses=dict(loss_logit=dict(metric=dict(type='mmrazor.DISTLoss'))))
