# FM-KT on features and logits (arXiv:2402.02012): a flow in the student's neck, and one before its head's classifier.
# Channels and the names of heads are set for the pair.
_base_ = 'fmkt.py'

head_flow = dict(num_steps=4, meta_encoder=dict(type='mmrazor.LightMetaEncoder', channels=256))
distiller = dict(
    student_recorders=dict(
        # it runs once a level
        head_flow=dict(type='mmrazor.EveryModuleOutputs', source='bbox_head.flow'),
        loss_cls=dict(type='mmrazor.EveryModuleCall', source='bbox_head.loss_cls'),
    ),
    teacher_recorders=dict(head=dict(type='mmrazor.ModuleOutputs', source='bbox_head')),
    distill_losses=dict(
        loss_logit=dict(
            type='mmrazor.FMKTLoss',
            loss_weight=1.0,
            metric=dict(type='mmrazor.BinaryKDMetric'),
            transform=dict(type='mmrazor.StudentClassifier', head='bbox_head'),
        ),
        loss_step_task=dict(type='mmrazor.StepTaskLoss', head='bbox_head', loss_weight=1.0),
    ),
    loss_forward_mappings=dict(
        loss_logit=dict(
            trajectories=dict(recorder='head_flow', from_student=True),
            # a head returns its scores first
            teacher_features=dict(recorder='head', from_student=False, data_idx=0),
        ),
        loss_step_task=dict(
            trajectories=dict(recorder='head_flow', from_student=True),
            calls=dict(recorder='loss_cls', from_student=True),
        ),
    ),
)
# box heads have vectors, and softmax logits
for_students = dict(two_stage=dict(loss_logit=dict(metric=dict(_delete_=True, type='mmrazor.KLDivergence'))))
flow_for_students = dict(two_stage=dict(meta_encoder=dict(type='mmrazor.MLPMetaEncoder')))
