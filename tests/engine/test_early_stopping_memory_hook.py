"""Early stopping goes on where it was."""

import torch
from mmengine.hooks import Hook
from runners import ON_DISK


class Never(Hook):
    """A validation that never gets better."""

    def after_val_epoch(self, runner, metrics=None):
        metrics['ap'] = 0.5


STOPPING = dict(type='EarlyStoppingHook', monitor='ap', rule='greater', patience=2)
SAVING = dict(default_hooks=dict(checkpoint=dict(ON_DISK['checkpoint'], save_best='ap', rule='greater')))


def test_early_stopping_remembers_how_long_it_has_waited(runner_of, validated, tmp_path):
    validated(runner_of('run', Never(), dict(STOPPING), epochs=2)).train()
    last = dict(resume=True, load_from=str(tmp_path / 'run' / 'epoch_2.pth'))
    resumed = validated(runner_of('run', Never(), dict(STOPPING), epochs=9, **last))
    resumed.train()
    assert resumed.epoch == 3  # the first validation set the best figure, two more did not beat it


def test_a_checkpoint_with_a_new_best_has_what_early_stopping_says_to_it(runner_of, validated, tmp_path):
    stopping = dict(STOPPING, stopping_threshold=0.4)
    validated(runner_of('run', Never(), dict(stopping), **SAVING)).train()
    last = str(tmp_path / 'run' / 'epoch_1.pth')
    assert torch.load(last)['message_hub']['runtime_info']['early_stopping'] == [(0, 0.5)]
    resumed = validated(runner_of('run', Never(), dict(stopping), **SAVING, resume=True, load_from=last))
    resumed.train()
    assert resumed.epoch == 1


def test_a_validation_alone_is_none_that_is_waited_for(runner_of, validated):
    runner = validated(runner_of('run', Never(), dict(STOPPING)))
    assert 'ap' in runner.val()
