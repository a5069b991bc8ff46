# How the demo's teacher was trained; README.md beside this file has its AP.
_base_ = '../retinanet_r34.py'

custom_imports = dict(imports=['mmfmkt'], allow_failed_imports=False)
optim_wrapper = dict(type='mmrazor.AutoAmpOptimWrapper')
custom_hooks = [dict(type='mmrazor.ChannelsLastHook')]
randomness = dict(seed=0)
