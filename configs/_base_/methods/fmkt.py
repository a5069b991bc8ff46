# FM-KT (arXiv:2402.02012): the heads of the student read the features that a flow transports. It stands in the neck,
# as every flow whose `place` is not stated, and transports four of the five levels of an FPN; the last passes through.
flow = dict(levels=(0, 1, 2, 3), num_steps=4, meta_encoder=dict(type='mmrazor.ConvMetaEncoder', channels=256))

# the student's neck is a FlowNeck, whose submodule `flow` returns the trajectories of all levels
distiller = dict(
    type='mmrazor.ConfigurableDistiller',
    student_recorders=dict(trajectories=dict(type='mmrazor.ModuleOutputs', source='neck.flow')),
    teacher_recorders=dict(pyramid=dict(type='mmrazor.ModuleOutputs', source='neck')),
    distill_losses=dict(
        loss_fmkt=dict(type='mmrazor.FMKTLoss', loss_weight=10.0, metric=dict(type='mmrazor.PKDMetric'))
    ),
    loss_forward_mappings=dict(
        loss_fmkt=dict(
            trajectories=dict(recorder='trajectories', from_student=True),
            teacher_features=dict(recorder='pyramid', from_student=False),
        )
    ),
)
for_students = dict(two_stage=dict(loss_weight=6.0))  # of the loss; usual for PKD
