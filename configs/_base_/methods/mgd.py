# MGD (arXiv:2205.01529): from masked features of the student, two convolutions generate the teacher's. Its
# weight is for a sum over all elements of an image of COCO.
_base_ = '../distillers/features.py'

distiller = dict(
    distill_losses=dict(
        loss_feature=dict(
            metric=dict(type='mmrazor.MGDLoss', alpha_mgd=2e-5),
            transform=dict(type='mmrazor.MGDConnector', student_channels=256, teacher_channels=256, lambda_mgd=0.65),
        )
    )
)
for_students = dict(two_stage=dict(metric=dict(alpha_mgd=5e-7), transform=dict(lambda_mgd=0.45)))
