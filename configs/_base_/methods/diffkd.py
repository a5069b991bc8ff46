# DiffKD (arXiv:2305.15712): a diffusion model of the teacher's features denoises the student's, before the comparison.
_base_ = '../distillers/features.py'

distiller = dict(distill_losses=dict(loss_feature=dict(metric=dict(type='mmrazor.DiffKDMetric', teacher_channels=256))))
