# FitNets (arXiv:1412.6550): the mean squared error between the teacher's features and a regression of the student's.
_base_ = '../distillers/features.py'

distiller = dict(
    distill_losses=dict(
        loss_feature=dict(
            metric=dict(type='mmrazor.L2Loss', normalize=False, div_element=True),
            transform=dict(type='mmrazor.ConvModuleConnector', in_channel=256, out_channel=256, act_cfg=None),
        )
    )
)
