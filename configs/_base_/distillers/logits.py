# What methods share that compare the class logits of the two heads. A head returns its scores first.
distiller = dict(
    type='mmrazor.ConfigurableDistiller',
    student_recorders=dict(head=dict(type='mmrazor.ModuleOutputs', source='bbox_head')),
    teacher_recorders=dict(head=dict(type='mmrazor.ModuleOutputs', source='bbox_head')),
    distill_losses=dict(loss_logit=dict(type='mmrazor.LogitLoss')),
    loss_forward_mappings=dict(
        loss_logit=dict(
            student_logits=dict(recorder='head', from_student=True, data_idx=0),
            teacher_logits=dict(recorder='head', from_student=False, data_idx=0),
        )
    ),
)
