"""Every method on every pair that it fits, and the config of each."""

from pathlib import Path

from mmengine.config import Config

from mmfmkt.common.config_paths import without_teacher
from mmfmkt.lab.zoo import read_pairs
from mmfmkt.lab.zoo.pair_configs import config_name
from mmfmkt.pairing.method import method_names, read_method

CONFIGS = Path(__file__).parents[2] / 'configs'
PAIRS = read_pairs()
BY_NAME = {pair.name: pair for pair in PAIRS}
# what does not fit, and is refused: method -> pairs
OTHER_HEADS = (
    'dino_swin-l_r50_12e',
    'faster-rcnn_cascade-mask-x101_r50',
    'retinanet_fcos-x101_r50_1x',
    'retinanet_mask-rcnn-swin-s_r50',
)
TWO_STAGE = ('faster-rcnn_r101_r50', 'faster-rcnn_r101_r50_1x')
NO_DISTRIBUTIONS = (
    'fcos_r101_r50',
    'reppoints_x101-dcn_r50',
    'retinanet_r101_r50',
    'retinanet_r101_r50_1x',
    'retinanet_r50_r18_1x',
    'retinanet_x101_r50',
    'rtmdet_l_s_300e',
)
NOT_FITTING = {
    'kd': OTHER_HEADS,
    'dist': OTHER_HEADS,
    'bckd': (*OTHER_HEADS, *TWO_STAGE),
    'ld': (*OTHER_HEADS, *TWO_STAGE, *NO_DISTRIBUTIONS),
    'fmkt-logit': (*OTHER_HEADS, 'rtmdet_l_s_300e'),
    'fmkt-feature-logit': (*OTHER_HEADS, 'rtmdet_l_s_300e'),
    'fmkt-logit-theta': (*OTHER_HEADS, 'rtmdet_l_s_300e'),
    'crosskd': (
        'dino_swin-l_r50_12e',
        'faster-rcnn_cascade-mask-x101_r50',
        'retinanet_mask-rcnn-swin-s_r50',
        *TWO_STAGE,
    ),
    'kd-detr': tuple(name for name in BY_NAME if not name.startswith('dino')),
}


def fitting(pair):
    """The names of the methods that fit a pair, as the table above has it."""
    return [method for method in method_names() if pair.name not in NOT_FITTING.get(method, ())]


def case_name(method, pair):
    """METHOD_PAIR; one name for all pairs with the same student if the method reads no teacher."""
    name = pair.name if read_method(method).reads_teacher else without_teacher(pair.name)
    return f'{method}_{name}'


# name -> method and pair; methods that read no teacher once for each student
CASES = {case_name(method, pair): (method, pair) for pair in PAIRS for method in fitting(pair)}


def read_case(method, pair):
    """The config of a method on a pair: its own at the root of `configs/`, or that of the pair with the method."""
    file = CONFIGS / f'{config_name(method, pair)}.py'
    if file.exists():
        return Config.fromfile(file)
    cfg = Config.fromfile(pair.file)
    cfg.model.method = method
    return cfg
