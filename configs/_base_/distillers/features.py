# What methods without a flow share that compare the levels of the two pyramids.
distiller = dict(
    type='mmrazor.ConfigurableDistiller',
    student_recorders=dict(pyramid=dict(type='mmrazor.ModuleOutputs', source='neck')),
    teacher_recorders=dict(pyramid=dict(type='mmrazor.ModuleOutputs', source='neck')),
    distill_losses=dict(loss_feature=dict(type='mmrazor.FeatureLoss')),
    loss_forward_mappings=dict(
        loss_feature=dict(
            student_features=dict(recorder='pyramid', from_student=True),
            teacher_features=dict(recorder='pyramid', from_student=False),
        )
    ),
)
