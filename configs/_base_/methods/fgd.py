# FGD (arXiv:2111.11837): objects and background, each by itself, and the relations between them. Its weights are for
# sums over all elements of an image of COCO.
_base_ = '../distillers/features.py'

distiller = dict(
    student_recorders=dict(data_samples=dict(type='mmrazor.DataSamples')),
    distill_losses=dict(loss_feature=dict(metric=dict(type='mmrazor.FGDMetric', teacher_channels=256))),
    loss_forward_mappings=dict(loss_feature=dict(data_samples=dict(recorder='data_samples', from_student=True))),
)
for_students = dict(
    two_stage=dict(metric=dict(alpha=5e-5, beta=2.5e-5, gamma=5e-5, lambda_=5e-7)),
    anchor_free=dict(metric=dict(alpha=1.6e-3, beta=8e-4, gamma=8e-4, lambda_=8e-6)),
)
