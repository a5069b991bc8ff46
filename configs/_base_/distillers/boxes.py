# What methods share that compare the boxes of the two heads besides their class logits. `loss` of a pair sets the first
# loss, which is the one of logits where a method does not state another order.
_base_ = 'logits.py'
distiller = dict(
    distill_losses=dict(loss_box=dict(type='mmrazor.BoxLoss')),
    loss_forward_mappings=dict(
        loss_box=dict(
            student_outputs=dict(recorder='head', from_student=True),
            teacher_outputs=dict(recorder='head', from_student=False),
        )
    ),
)
