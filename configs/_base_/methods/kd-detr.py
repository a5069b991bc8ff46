# KD-DETR (arXiv:2211.08071): the decoders of student and teacher predict from the same queries.
distiller = dict(
    type='mmrazor.ConfigurableDistiller',
    student_recorders=dict(
        decoder=dict(type='mmrazor.EveryModuleCall', source='decoder'),
        head=dict(type='mmrazor.EveryModuleCall', source='bbox_head'),
        data_samples=dict(type='mmrazor.DataSamples'),
    ),
    teacher_recorders=dict(pyramid=dict(type='mmrazor.ModuleOutputs', source='neck')),
    distill_losses=dict(loss_kd_detr=dict(type='mmrazor.SharedQueryLoss')),
    loss_forward_mappings=dict(
        loss_kd_detr=dict(
            decoder=dict(recorder='decoder', from_student=True),
            head=dict(recorder='head', from_student=True),
            teacher_features=dict(recorder='pyramid', from_student=False),
            data_samples=dict(recorder='data_samples', from_student=True),
        )
    ),
)
