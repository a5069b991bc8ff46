# CWD (arXiv:2011.13256): where in the image each channel is active, as a distribution.
_base_ = '../distillers/features.py'

distiller = dict(
    distill_losses=dict(loss_feature=dict(loss_weight=10.0, metric=dict(type='mmrazor.ChannelWiseDivergence', tau=1)))
)
