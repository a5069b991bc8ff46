import torch


def test_student_distiller_and_ema_survive_saving_and_resuming(make_runner, tmp_path):
    make_runner(3, 'whole').train()
    make_runner(2, 'parts').train()
    make_runner(3, 'parts', resume=True, load_from=str(tmp_path / 'parts' / 'epoch_2.pth')).train()
    whole, parts = (torch.load(tmp_path / folder / 'epoch_3.pth') for folder in ('whole', 'parts'))
    for part in ('state_dict', 'distiller', 'ema_state_dict'):
        assert whole[part].keys() == parts[part].keys() and len(whole[part]) > 0
        for key, value in whole[part].items():
            assert torch.equal(value, parts[part][key]), (part, key)


def test_state_dict_is_the_students_alone_and_nothing_is_the_teachers(make_runner, tmp_path):
    make_runner(1, 'run').train()
    checkpoint = torch.load(tmp_path / 'run' / 'epoch_1.pth')
    assert not any('distiller' in key for key in checkpoint['state_dict'])
    assert all(key.startswith('distiller.') for key in checkpoint['distiller'])
    assert not any('teacher' in key for part in ('state_dict', 'distiller', 'ema_state_dict') for key in checkpoint[part])
