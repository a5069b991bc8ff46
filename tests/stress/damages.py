"""What can be wrong with configs, command lines, checkpoints, images and annotations: the cases of fuzz.py."""

import random

import damage_annotations  # noqa: F401 (these five register their damages)
import damage_checkpoints  # noqa: F401
import damage_commands  # noqa: F401
import damage_configs  # noqa: F401
import damage_images  # noqa: F401
from case import DAMAGES, Case

SHARES = dict(config=4, command=1, checkpoint=2, image=1, annotation=2)  # of the families of damages


def draw(folder, number, seed, whole, config):
    """A case, damaged once or twice, and what was done."""
    rng = random.Random(f'{seed}/{number}')
    case = Case(folder / f'case{number}', whole, config, rng)
    families, done = rng.choices(list(SHARES), list(SHARES.values()), k=1 + (rng.random() < 0.2)), []
    for family in families:
        try:
            done.append(rng.choice(DAMAGES[family])(case))
        except Exception:  # the first damage has left nothing for it
            done.append('nothing')
    return case, f'{case.tool}: {" + ".join(done)}'
