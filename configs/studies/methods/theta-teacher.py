# FM-KT^Θ whose student is pulled towards the teacher instead of the output of the flow.
_base_ = '../../_base_/methods/fmkt-theta.py'
custom_imports = dict(imports=['mmfmkt.lab.study.student_targets'], allow_failed_imports=False)

distiller = dict(distill_losses=dict(loss_fmkt=dict(type='mmrazor.StudentTargetLoss', student_target='teacher')))
