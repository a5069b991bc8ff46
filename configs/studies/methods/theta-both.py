# FM-KT^Θ whose student is pulled towards the output of the flow and the teacher alike.
_base_ = 'theta-teacher.py'

distiller = dict(distill_losses=dict(loss_fmkt=dict(student_target='both')))
