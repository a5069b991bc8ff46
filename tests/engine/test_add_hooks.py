from mmengine.config import Config

from mmfmkt.engine.add_hooks import add_distillation_hooks


def test_hooks_are_added_to_those_of_the_config_and_only_once():
    cfg = Config(dict(custom_hooks=[dict(type='EMAHook')]))
    add_distillation_hooks(cfg)
    once = [hook.type for hook in cfg.custom_hooks]
    add_distillation_hooks(cfg)
    assert once == [
        'EMAHook',
        'mmrazor.SplitDistillerHook',
        'mmrazor.JoinDistillerHook',
        'mmrazor.EvaluateTeacherHook',
        'mmrazor.WeightScheduleHook',
        'mmrazor.NonFiniteHook',
        'mmrazor.FlowLogHook',
    ]
    assert [hook.type for hook in cfg.custom_hooks] == once


def test_the_flow_is_logged_as_often_as_the_losses():
    cfg = Config(dict(default_hooks=dict(logger=dict(type='LoggerHook', interval=7))))
    add_distillation_hooks(cfg)
    assert cfg.custom_hooks[-1] == dict(type='mmrazor.FlowLogHook', interval=7)


def test_a_config_without_a_logger_gets_them_too():
    cfg = Config(dict(default_hooks=dict(logger=None)))
    add_distillation_hooks(cfg)
    assert cfg.custom_hooks[-1].interval == 50


def test_a_hook_of_the_config_is_kept():
    cfg = Config(dict(custom_hooks=[dict(type='FlowLogHook', interval=3)]))
    add_distillation_hooks(cfg)
    assert [hook.get('interval') for hook in cfg.custom_hooks] == [3, None, None, None, None, None]
