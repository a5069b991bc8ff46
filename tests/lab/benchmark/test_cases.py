import pytest
from mmengine.config import Config

from mmfmkt.lab.benchmark.benchmark import with_teacher
from mmfmkt.lab.benchmark.cases import DEPLOYED, ENCODERS, STOCK, TRAINED, Case, make_cases, read_name
from mmfmkt.pairing.short_form import write_out

PAIR = dict(type='mmrazor.FMKTPair', architecture=dict(type='mmdet.RetinaNet'))


def test_every_meta_encoder_is_timed_with_few_and_many_steps():
    assert sorted(ENCODERS) == ['conv', 'convnext', 'light', 'mlp', 'swin']
    assert {f'fmkt-theta:{encoder}:{steps}' for encoder in ENCODERS for steps in (1, 4, 8)} < {*TRAINED}
    assert {f'fmkt:light:{steps}' for steps in (1, 2, 4, 8)} < {*DEPLOYED} and {*STOCK} < {*TRAINED}
    assert TRAINED[0] == DEPLOYED[0] == 'student'


def test_a_name_says_method_encoder_and_steps():
    assert read_name('pkd') == ('pkd', {})
    assert read_name('fmkt-theta:swin') == ('fmkt-theta', dict(meta_encoder=dict(type='mmrazor.SwinMetaEncoder')))
    assert read_name('fmkt:light:8') == ('fmkt', dict(meta_encoder=dict(type='mmrazor.LightMetaEncoder'), num_steps=8))
    case = Case('fmkt:light:8', {}, True)
    assert (case.family, case.num_steps) == ('fmkt:light', 8) and Case('pkd', {}, True).num_steps is None


@pytest.mark.parametrize(
    'name, message',
    [
        ('foo', 'a method must be METHOD, .* mmrazor-fpn, mmrazor-single, but got .foo.'),
        ('fmkt:light:4:5', 'a method must be METHOD'),
        ('pkd:light', 'for a method that has a flow'),
        ('fmkt:large', 'ENCODER must be one of conv, .*, but got'),
        ('fmkt:light:0', 'N an integer of at least 1'),
        ('fmkt:light:x', 'N an integer of at least 1'),
        ('mmrazor-foo', 'a method must be METHOD'),
    ],
)
def test_other_names_are_refused(name, message):
    for names in ([name], []), ([], [name]):
        with pytest.raises(ValueError, match=message):
            make_cases(PAIR, 'pair', *names)


@pytest.mark.parametrize('name', ['fmkt', 'fmkt-theta', 'fmkt-logit'])
def test_what_is_written_out_is_timed_as_it_is_beside_its_plain_student(root, name, monkeypatch):
    monkeypatch.chdir(root)  # where the demo's pair has its teacher
    config, student = (
        write_out(Config.fromfile(f'configs/demo/{file}.py')).model.to_dict() for file in (name, 'retinanet_r18')
    )
    cases = make_cases(config, name, TRAINED, DEPLOYED)
    assert [(case.name, case.config) for case in cases] == [('student', student), (name, config)]
    assert [case.name for case in make_cases(student, 'retinanet', TRAINED, DEPLOYED)] == ['retinanet']


def test_each_of_several_teachers_has_weights_of_its_own(retinanet, tmp_path):
    further = dict(teacher=retinanet.to_dict(), teacher_ckpt='elsewhere.pth', weight=0.5)
    teachers = [dict(teacher=retinanet.to_dict(), teacher_ckpt='nowhere.pth'), further]
    config = dict(type='mmrazor.FMKTPair', architecture=retinanet.to_dict(), teacher=teachers)
    plain, pkd, stock = with_teacher(
        make_cases(config, 'pair', ['student', 'pkd', 'mmrazor-fpn'], []), tmp_path / 'teacher.pth'
    )
    algorithm = pkd.build()
    assert len(algorithm.further.teachers) == 1 and not hasattr(plain.build(), 'further')
    assert [each['teacher_ckpt'] for each in pkd.config['teacher']] == [
        str(tmp_path / f'teacher_{number}.pth') for number in (0, 1)
    ]
    with pytest.raises(ValueError, match='FpnTeacherDistill must have one teacher, but got 2'):
        stock.build()
