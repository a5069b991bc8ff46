"""From the configs of a student and of a teacher to a run: what `tools/distill.py` starts."""

import argparse
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

from mmfmkt.common.config_files import config_name, read_config, read_detector_config
from mmfmkt.common.processes import is_first_process
from mmfmkt.engine.add_hooks import import_project
from mmfmkt.pairing.method import read_method
from mmfmkt.pairing.short_form import write_out

from .arguments import apply_options
from .training import build_training_runner


def distillation_config(args: argparse.Namespace) -> Config:
    """The student's config with the distillation around its model, written out.

    Raises:
        ValueError: if an argument is missing or does not fit, and as :func:`~mmfmkt.pairing.pair.pair_config`.
    """
    with_teacher = read_method(args.method).reads_teacher
    if with_teacher and not args.teacher_ckpt:
        raise ValueError(
            f'{args.method} must be given the config of a teacher and its checkpoint, but got '
            f'{args.teacher or "no teacher"}; --method ofmkt does without one'
        )
    if args.save and not args.save.endswith('.py'):
        raise ValueError(f'--save must be given the name of a .py file, but got {args.save}')
    cfg = read_config(args.student, 'the student')
    if not isinstance(args.student, Config):
        for key in ('work_dir', 'resume'):  # of the plain student, whose run shall not be written over
            cfg.pop(key, None)
    if cfg.get('model'):
        cfg.model = dict(type='mmrazor.FMKTPair', architecture=cfg.model, method=args.method)
        if with_teacher:
            teachers = [
                dict(
                    teacher=read_detector_config(each.to_dict()) if isinstance(each, Config) else absolute(each),
                    teacher_ckpt=absolute(checkpoint),
                )
                for each, checkpoint in ((args.teacher, args.teacher_ckpt), *args.another_teacher)
            ]
            cfg.model.update(teachers[0] if len(teachers) == 1 else dict(teacher=teachers))
        if args.inherit:
            cfg.model.inherit = args.inherit
        if args.evaluate_teacher:
            cfg.model.evaluate_teacher = True
    import_project(cfg)
    return write_out(apply_options(cfg, args, f'{Path(args.method).stem}_{config_name(args.student)}'))


def absolute(name: str | Path) -> str:
    """The path of a local file from the root, so that a saved config can be used from any folder; other names stay."""
    return str(Path(name).resolve()) if Path(name).exists() else str(name)


def prepare_distillation(args: argparse.Namespace) -> Runner | None:
    """Print the config, write it with `--save`, and build its runner; nothing is built with `--dry-run`."""
    cfg = distillation_config(args)
    if is_first_process():
        # the runner prints the rest of it
        print(cfg.pretty_text if args.dry_run else Config(dict(model=cfg.model)).pretty_text)
        if args.teacher and not read_method(args.method).reads_teacher:
            print(f'{args.method} has no teacher: {args.teacher} is not read')
        if args.save:
            Path(args.save).parent.mkdir(parents=True, exist_ok=True)
            cfg.dump(args.save)
            print(f'wrote {args.save}: train it with tools/train.py or tools/dist_train.sh')
    return None if args.dry_run else build_training_runner(cfg, args)
