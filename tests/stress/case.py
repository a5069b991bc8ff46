"""A case of fuzz.py, and what damages are made of."""

import collections
import copy
import runpy
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ARGUMENTS = dict(
    train=['config.py'],
    distill=['config.py', 'teacher.py', 'teacher.pth'],
    test=['config.py', 'student.pth'],
    export_student=['config.py', 'student.pth', 'out.pth'],
)
DAMAGES = collections.defaultdict(list)  # family -> functions of a case that return what they have done
EXECUTED = 'executed'  # the file that the code in a checkpoint would write


class Case:
    """A folder with data, checkpoints and a config, and the command that reads them."""

    def __init__(self, folder, whole, config, rng, tool=None):
        shutil.copytree(whole, folder)
        self.folder, self.cfg, self.rng = folder, copy.deepcopy(config), rng
        self.edit, self.words = (lambda text: text), set()  # of the config file; of which a good message has one
        self.tool = tool or rng.choices(list(ARGUMENTS), [6, 2, 2, 1])[0]
        self.arguments, self.options = list(ARGUMENTS[self.tool]), []
        workers = rng.choice([0, 0, 1])
        for split in ('train', 'val', 'test'):
            self.cfg[f'{split}_dataloader'].update(num_workers=workers, persistent_workers=workers > 0)
        if self.tool == 'distill':
            self.cfg['model'] = self.cfg['model']['architecture']

    def name(self, *words):
        self.words.update(word.lower() for word in words if isinstance(word, str) and len(word) > 1 and word != 'type')

    def set(self, path, value):
        """Set what stands at a path of the config, or remove it with `...`; return what was done."""
        *parents, last = path
        node = self.cfg
        for key in parents:
            node = node.setdefault(key, {}) if isinstance(node, dict) else node[key]
        if value is ...:
            del node[last]
        else:
            node[last] = value
        self.name(*path[-2:], *(value if isinstance(value, dict) else [value]))
        return f'{".".join(map(str, path))} {"missing" if value is ... else f"= {value!r}"}'

    def run(self):
        text = ''.join(f'{key} = {value!r}\n' for key, value in self.cfg.items())
        (self.folder / 'config.py').write_bytes(self.edit(text).encode('latin-1'))
        work_dir = [] if self.tool == 'export_student' else ['--work-dir', 'work_dir']
        sys.argv = [f'{self.tool}.py', *self.arguments, *work_dir, *self.options]
        runpy.run_path(str(ROOT / f'tools/{self.tool}.py'), run_name='__main__')


def damage(family, times=1):
    """Register a damage, which is drawn so many times as often."""
    return lambda function: DAMAGES[family].extend([function] * times) or function
