from mmengine.hooks import Hook


class Never(Hook):
    """A validation that never gets better."""

    def after_val_epoch(self, runner, metrics=None):
        metrics['ap'] = 0.5


def test_early_stopping_remembers_how_long_it_has_waited(runner_of, validated, tmp_path):
    hooks = dict(type='EarlyStoppingHook', monitor='ap', rule='greater', patience=2)
    validated(runner_of('run', Never(), hooks, epochs=2)).train()
    last = dict(resume=True, load_from=str(tmp_path / 'run' / 'epoch_2.pth'))
    resumed = validated(runner_of('run', Never(), hooks, epochs=9, **last))
    resumed.train()
    assert resumed.epoch == 3  # the first validation set the best figure, two more did not beat it
