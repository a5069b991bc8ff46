# FM-KT on the pyramid and on the logits of a dense head: the neck is a FlowNeck, the head a FlowHead.
_base_ = 'methods/fmkt.py'

# channels are those of the head's classification tower
logit_flow = dict(num_steps=4, meta_encoder=dict(type='mmrazor.LightMetaEncoder', channels=256))

distiller = dict(
    student_recorders=dict(
        logit_trajectories=dict(type='mmrazor.EveryModuleOutputs', source='bbox_head.flow'),
        loss_cls_calls=dict(type='mmrazor.EveryModuleCall', source='bbox_head.loss_cls'),
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
            trajectories=dict(recorder='logit_trajectories', from_student=True),
            # a head returns its scores first
            teacher_features=dict(recorder='head', from_student=False, data_idx=0),
        ),
        loss_step_task=dict(
            trajectories=dict(recorder='logit_trajectories', from_student=True),
            calls=dict(recorder='loss_cls_calls', from_student=True),
        ),
    ),
)
