"""Checkpoints that cannot be read, are of something else, or carry code."""

import torch
from case import EXECUTED, ROOT, damage
from damage_bytes import BYTES
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import Config


class Evil:
    """An object that writes a file when it is unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return open, (str(self.file), 'w')


def other_detector(old, rng):
    model = Config.fromfile(ROOT / 'configs/demo/retinanet_r34.py').model
    return DETECTORS.build(dict(model, _scope_='mmdet')).state_dict()


WEIGHTS = dict(
    other_detector=other_detector,
    nan=lambda old, rng: {key: value * float('nan') for key, value in old.items()},
    missing=lambda old, rng: {key: value for key, value in old.items() if rng.random() < 0.9},
    extra=lambda old, rng: {**old, 'foo.weight': torch.zeros(3)},
    shapes=lambda old, rng: {key: value[None] if rng.random() < 0.1 else value for key, value in old.items()},
    none=lambda old, rng: rng.choice([{}, [], None, 'weights', {'a': 1}, {3: torch.zeros(1)}]),
)
ENTRIES = ('meta', 'optimizer', 'param_schedulers', 'message_hub', 'distiller')


@damage('checkpoint')
def broken_checkpoint(case):
    """A checkpoint that the tool reads."""
    options = [('teacher.pth', [])]
    if case.tool == 'train':
        options += [
            ('student.pth', ['--resume', 'student.pth', '--cfg-options', 'train_cfg.max_epochs=2']),
            ('student.pth', ['--cfg-options', 'load_from=student.pth']),
        ]
    elif case.tool != 'distill':
        options = [('student.pth', [])]
    (name, option), kind = (
        case.rng.choice(options),
        case.rng.choice([*BYTES, *WEIGHTS, 'code', 'entry', 'entry', 'directory']),
    )
    case.options += option
    case.name(name, 'checkpoint')
    file, old = case.folder / name, (case.folder / name).read_bytes()
    content = torch.load(file, weights_only=True)
    file.unlink()
    if kind in BYTES:
        file.write_bytes(BYTES[kind](old, case.rng))
    elif kind == 'directory':
        file.mkdir()
    elif kind in WEIGHTS:
        torch.save({**content, 'state_dict': WEIGHTS[kind](content['state_dict'], case.rng)}, file)
    else:
        entry, value = case.rng.choice(ENTRIES), case.rng.choice([None, 3, 'nonsense', [], {}, {'a': 1}])
        torch.save({**content, entry: Evil(case.folder / EXECUTED) if kind == 'code' else value}, file)
        kind = f'{entry}: {kind if kind == "code" else value!r}'
    return f'{name} {" ".join(option)}: {kind}'
