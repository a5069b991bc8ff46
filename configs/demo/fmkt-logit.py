# Logit FM-KT: the classifier of the student's head reads transported features of its tower.
_base_ = 'pair.py'

model = dict(method='fmkt-logit')
