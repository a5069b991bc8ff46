# CrossKD (arXiv:2306.11369): what the teacher's head makes of the student's features mimics what it makes of its own.
distiller = dict(
    type='mmrazor.ConfigurableDistiller',
    student_recorders=dict(
        cls_tower=dict(type='mmrazor.TowerInputs', source='bbox_head.cls_convs'),
        reg_tower=dict(type='mmrazor.TowerInputs', source='bbox_head.reg_convs'),
    ),
    teacher_recorders=dict(pyramid=dict(type='mmrazor.ModuleOutputs', source='neck')),
    distill_losses=dict(loss_crosskd=dict(type='mmrazor.CrossHeadLoss')),
    loss_forward_mappings=dict(
        loss_crosskd=dict(
            cls_features=dict(recorder='cls_tower', from_student=True),
            reg_features=dict(recorder='reg_tower', from_student=True),
            teacher_features=dict(recorder='pyramid', from_student=False),
        )
    ),
)
