_base_ = 'student.py'
custom_imports = dict(imports=['mmfmkt'], allow_failed_imports=False)
model = dict(
    _delete_=True,
    type='mmrazor.FMKTPair',
    architecture=_base_.model,
    teacher='{{ fileDirname }}/teacher.py',
    teacher_ckpt='work_dirs/teacher/epoch_12.pth',
)
