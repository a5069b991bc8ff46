import threading
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import Mock

import pytest

from mmfmkt.common.progress import Progress
from mmfmkt.lab.study import workers
from mmfmkt.lab.study.workers import Place, claimed, do_all, places


@dataclass(eq=False)
class Work:
    """What workers see of a run."""

    id: str
    work_dir: Path
    teacher: 'Work | None' = None
    further: tuple = ()
    finished: bool = False
    trained: bool = False
    title: str = 'title'
    seed: int = 0
    length: int = 1

    @property
    def teachers(self):
        return (self.teacher, *self.further) if self.teacher else ()

    @property
    def ready(self):
        return all(teacher.trained for teacher in self.teachers)


@pytest.fixture
def make(tmp_path):
    return lambda name, teacher=None, **settings: Work(name, tmp_path / name, teacher, **settings)


@pytest.fixture
def done(monkeypatch):
    """The names of the works in the order in which they are done; those that begin with 'bad' fail."""
    names, lock = [], threading.Lock()

    def work(run, place):
        yield 0.5
        if run.id.startswith('bad'):
            raise RuntimeError(f'{run.id} has failed')
        with lock:
            run.finished = run.trained = True
            names.append(run.id)

    monkeypatch.setattr(workers, 'work', work)
    monkeypatch.setattr(workers, 'SECONDS_BETWEEN_LOOKS', 0.01)
    return names


@pytest.mark.parametrize('jobs', [1, 3])
def test_a_teacher_is_done_before_its_students_and_what_is_finished_is_not_done_again(make, done, jobs):
    teacher = make('teacher')
    students = [make(f'student{number}', teacher) for number in range(4)]
    do_all([teacher, make('old', finished=True), *students], [Place(1)] * jobs)
    assert done[0] == 'teacher' and sorted(done[1:]) == ['student0', 'student1', 'student2', 'student3']


def test_a_teacher_that_was_trained_elsewhere_is_trained_again_where_a_student_needs_it(make, done):
    needed, unneeded = make('needed', finished=True), make('unneeded', finished=True)
    do_all([needed, unneeded, make('student', needed), make('old', unneeded, finished=True)], [Place(1)])
    assert done == ['needed', 'student']


def test_a_teacher_that_has_only_to_be_measured_is_a_small_part_of_the_work(make, done, monkeypatch):
    works = []
    monkeypatch.setattr(workers, 'Progress', lambda *about: works.append(about) or Progress(*about))
    old, given, new = make('old', finished=True), make('given', trained=True, length=20), make('new', length=10)
    do_all([old, given, new], [Place(1)])
    assert works == [(1 + 20 * workers.MEASURING + 10, 1)]


def test_a_run_that_fails_stops_no_other_but_those_that_it_should_teach(make, done):
    teacher = make('bad teacher')
    with pytest.raises(RuntimeError, match='(?s)2 of 3 runs have failed.*student has no teacher'):
        do_all([teacher, make('student', teacher), make('plain')], [Place(1)])
    assert done == ['plain']


def test_what_another_process_is_doing_is_waited_for(make, done):
    run = make('elsewhere')
    with claimed(run) as mine:
        assert mine
        waiting = threading.Thread(target=do_all, args=([run], [Place(1)]))
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive()
        run.finished = True  # by the other process
    waiting.join(10)
    assert not waiting.is_alive() and done == []


def test_a_claim_is_given_up_with_the_work(make):
    run = make('run')
    with claimed(run) as mine, claimed(run) as too:
        assert mine and not too
    with claimed(run) as again:
        assert again


def test_a_file_system_without_locks_is_told_and_not_waited_for(make, done, monkeypatch):
    monkeypatch.setattr('fcntl.flock', Mock(side_effect=OSError(38, 'Function not implemented')))
    with pytest.raises(RuntimeError, match='must be on a file system with locks, but .*not implemented'):
        do_all([make('run')], [Place(1)])


def test_a_training_that_ends_too_early_has_failed(make, monkeypatch):
    monkeypatch.setattr(workers, 'follow', lambda *about: iter([0.5]))
    monkeypatch.setattr(Work, 'training_command', lambda self: [], raising=False)
    teacher = make('teacher', finished=True)  # elsewhere
    with pytest.raises(RuntimeError, match='(?s)training of teacher has ended before its last epoch.*has no teacher'):
        do_all([teacher, make('student', teacher)], [Place(1)])


def test_jobs_share_the_gpus_and_the_cores(monkeypatch):
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    monkeypatch.setattr('os.cpu_count', lambda: 16)
    assert places(2, 1, num_gpus=0) == [Place(8), Place(8)]
    assert places(2, 2, num_gpus=4) == [Place(4, ('0', '1')), Place(4, ('2', '3'))]
    assert places(num_gpus=0) == [Place(4)] * 4 and places(None, 2, num_gpus=5) == [
        Place(4, ('0', '1')),
        Place(4, ('2', '3')),
    ]
    assert places(2, 2, num_gpus=4)[1].environment['CUDA_VISIBLE_DEVICES'] == '2,3'


def test_jobs_stay_on_the_gpus_that_the_study_was_given(monkeypatch):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '5,GPU-7a')
    assert [place.gpus for place in places(num_gpus=2)] == [('5',), ('GPU-7a',)]


@pytest.mark.parametrize('jobs, gpus_per_run, num_gpus', [(0, 1, 0), (1, 0, 0), (1, 2, 0), (3, 2, 4)])
def test_more_than_the_machine_has_is_refused(jobs, gpus_per_run, num_gpus):
    with pytest.raises(ValueError, match='--(jobs|gpus-per-run)'):
        places(jobs, gpus_per_run, num_gpus)
