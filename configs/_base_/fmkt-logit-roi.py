# Logit FM-KT on the box head of a two-stage detector, which is a FlowHead: softmax logits of the student's proposals.
_base_ = 'fmkt-logit.py'

# vectors, after the last shared layer
logit_flow = dict(meta_encoder=dict(type='mmrazor.MLPMetaEncoder', channels=1024))
distiller = dict(
    student_recorders=dict(
        logit_trajectories=dict(source='roi_head.bbox_head.flow'),
        loss_cls_calls=dict(source='roi_head.bbox_head.loss_cls'),
    ),
    teacher_recorders=dict(head=dict(source='roi_head.bbox_head')),
    distill_losses=dict(
        loss_logit=dict(
            metric=dict(_delete_=True, type='mmrazor.KLDivergence'), transform=dict(head='roi_head.bbox_head')
        ),
        loss_step_task=dict(head='roi_head.bbox_head'),
    ),
)
