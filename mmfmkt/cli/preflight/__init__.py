from .checked_data import checked_data
from .config import check_kinds, check_launcher, check_optimizer, check_sampler, check_sharding
from .data import (
    build_data,
    build_datasets,
    check_classes,
    check_data,
    check_evaluation,
    check_teacher_classes,
    check_tested_classes,
)
from .evaluation import harmless_metrics
from .model import build_optimizer, check_compile, check_model, warn_of_keys
from .rehearsal import rehearse, rehearse_later_test
from .resuming import check_agreement, check_resumable, check_start

__all__ = [
    'build_data',
    'build_datasets',
    'build_optimizer',
    'check_agreement',
    'check_classes',
    'check_compile',
    'check_data',
    'check_evaluation',
    'check_kinds',
    'check_launcher',
    'check_model',
    'check_optimizer',
    'check_resumable',
    'check_sampler',
    'check_sharding',
    'check_start',
    'check_teacher_classes',
    'check_tested_classes',
    'checked_data',
    'harmless_metrics',
    'rehearse',
    'rehearse_later_test',
    'warn_of_keys',
]
