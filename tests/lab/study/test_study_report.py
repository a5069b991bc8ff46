import json
from dataclasses import replace

import cv2
import pytest
from matplotlib.figure import Figure

from mmfmkt.lab.study.charts import COLOURS
from mmfmkt.lab.study.epochs_chart import draw_epochs, draw_panel, lines_of, measured
from mmfmkt.lab.study.findings import findings
from mmfmkt.lab.study.plan import Study, Table
from mmfmkt.lab.study.report import comparisons, write_report
from mmfmkt.lab.study.results import Results, write_results
from mmfmkt.lab.study.run import Run
from mmfmkt.lab.study.study import choose
from mmfmkt.lab.study.tables import markdown_table, overview

MACHINE = dict(machine='x86_64', cores=2, threads=1, gpu='none', torch='2.13.0')


def row(ap, gflops=1.0, inference=None):
    figures = dict(AP=ap, AP50=60.0, AP75=40.0, APs=20.0, APm=50.0, params=1.0, gflops=gflops)
    variants = {name: dict(figures, AP=value) for name, value in (inference or {}).items()}
    return dict(figures=figures, inference=variants, training=dict(iterations=100, seconds=0.1), machine=MACHINE)


MEASURED = {
    ('teacher', 0): row(40.0, gflops=3.0),
    ('student', 0): row(30.0),
    ('student', 1): row(30.0),
    ('student', 2): row(32.0),
    ('pkd', 0): row(34.0),
    ('pkd', 1): row(34.5),
    ('pkd', 2): row(36.1),
    ('fmkt', 0): row(35.0, 2.0, {'bypassed': 31.0}),
    ('fmkt', 1): row(35.6, 2.0, {'bypassed': 30.0}),
    ('fmkt', 2): row(37.0, 2.0, {'bypassed': 32.0}),
}

COSTS = dict(student=dict(time=1.0, memory=1.0), fmkt=dict(time=2.0, memory=1.2))


@pytest.fixture
def study(tmp_path):
    teacher = Run('teacher', 'large', 'configs/demo/retinanet_r34.py', {}, tmp_path, weights='teacher.pth')
    runs = {
        name: {
            seed: Run(name, name.upper(), 'configs/demo/pair.py', {}, tmp_path, seed, None, teacher)
            for seed in range(4)
        }
        for name in ('student', 'pkd', 'fmkt')
    }
    table = Table('Methods', ('teacher', 'student', 'pkd', 'fmkt', 'fmkt@bypassed'), 'pkd', 'A note.')
    return Study('A study', {'teacher': teacher}, runs, 'student', (table,))


@pytest.fixture
def results(study, tmp_path):
    for run in study.all_runs():
        measured = MEASURED.get((run.name, run.seed))
        if measured:
            run.work_dir.mkdir()
            run.row_file.parent.mkdir(exist_ok=True)
            (run.work_dir / 'last_checkpoint').write_text('epoch_12.pth')
            run.row_file.write_text(json.dumps(measured))
    write_results(study.all_runs(), COSTS, tmp_path / 'results.jsonl')
    return Results.read(tmp_path / 'results.jsonl', 'student')


def test_a_row_has_its_run_seed_config_and_figures_and_runs_that_are_not_finished_have_none(results, tmp_path):
    lines = [json.loads(line) for line in (tmp_path / 'results.jsonl').read_text().splitlines()]
    assert [(line['run'], line['seed']) for line in lines] == [
        ('teacher', 0),
        ('student', 0),
        ('pkd', 0),
        ('fmkt', 0),
        ('student', 1),
        ('pkd', 1),
        ('fmkt', 1),
        ('student', 2),
        ('pkd', 2),
        ('fmkt', 2),
    ]
    assert (
        lines[3]['config'] == 'configs/demo/pair.py'
        and lines[3]['teacher'] == 'teacher'
        and lines[0]['teacher'] is None
    )


def test_results_are_compared_by_seed(results):
    assert results.figures('fmkt', 'AP') == {0: 35.0, 1: 35.6, 2: 37.0}
    assert results.figures('fmkt@bypassed', 'AP') == {0: 31.0, 1: 30.0, 2: 32.0} and not results.has('fmkt@N=8')
    assert results.recovered('fmkt') == pytest.approx([0.5, 0.56, 0.625])
    assert results.difference('fmkt', 'pkd').mean == pytest.approx(1.0)
    assert results.difference('teacher', 'pkd') is None and results.difference('pkd', 'pkd') is None


def test_the_gap_to_a_teacher_of_two_seeds_is_that_to_their_mean(results):
    results.rows['teacher'] = {0: row(39.0), 1: row(41.0)}
    assert results.recovered('fmkt') == pytest.approx([0.5, 0.56, 0.625])


def test_costs_are_those_of_the_plain_student(results):
    assert (
        results.training('fmkt@bypassed') == 2.0
        and results.inference('fmkt') == 2.0
        and results.inference('teacher') == 3.0
    )
    assert (
        results.training('teacher') is None
        and results.training('pkd') is None
        and results.inference('fmkt@N=8') is None
    )


def test_longer_trainings_cost_as_many_times_more(results):
    for of_seed in results.rows['fmkt'].values():
        of_seed['training'] = dict(iterations=150, seconds=0.1)
    assert results.training('fmkt') == 3.0


def test_the_table_says_what_is_better_and_leaves_open_what_is_open(study, results):
    cells = [
        [cell.strip() for cell in line.split('|')[1:-1]]
        for line in markdown_table(study, study.tables[0], results).splitlines()
    ]
    by_title = {line[0]: dict(zip(cells[0], line)) for line in cells[2:]}
    fmkt, bypassed = by_title['FMKT'], by_title['FMKT, bypassed at inference']
    assert fmkt['AP'] == '35.9 ± 1.0' and fmkt['seeds'] == '3' and fmkt['gap recovered'] == '56 ± 6 %'
    assert (
        fmkt['AP - PKD (95%)'] == '+1.00 [+0.75, +1.25], n = 3'
        and fmkt['verdict'] == 'better'
        and fmkt['training'] == '2.00 x'
    )
    assert bypassed['verdict'] == 'worse' and by_title['large']['AP'] == '40.0' and by_title['large']['verdict'] == ''


def test_the_report_has_every_table_with_its_note_its_chart_and_the_machine(study, results, tmp_path):
    text = write_report(study, results, tmp_path).read_text()
    for part in (
        '# A study',
        '## Methods',
        'A note.',
        '![Methods](table1.png)',
        'x86_64, 2 cores',
        'Of 3\ncomparisons',
    ):
        assert part in text
    for name in ('table1.png', 'costs.png'):
        assert cv2.imread(str(tmp_path / name)).shape[1] > 600


def test_a_comparison_counts_once_whatever_tables_it_is_in_and_none_of_one_seed_does(study, results):
    swapped = Table('Again', ('pkd', 'fmkt', 'student'), 'fmkt')
    expected = {frozenset(('fmkt', other)) for other in ('pkd', 'student')}
    assert comparisons(replace(study, tables=(swapped, study.tables[0], swapped)), results) == expected | {
        frozenset(('pkd', other)) for other in ('student', 'fmkt@bypassed')
    }
    for seed in (1, 2):
        del results.rows['pkd'][seed]
    assert comparisons(replace(study, tables=(swapped, *study.tables)), results) == {frozenset(('fmkt', 'student'))}


def test_without_costs_the_report_has_no_section_of_them(study, results, tmp_path):
    for of_name in results.rows.values():
        for of_seed in of_name.values():
            del of_seed['cost']
    assert '## Costs' not in write_report(study, results, tmp_path).read_text()
    assert not (tmp_path / 'costs.png').exists()


def test_the_report_says_in_words_what_the_differences_allow(study, results, tmp_path):
    text = write_report(study, results, tmp_path).read_text()
    for line in (
        '- PKD recovers 45 ± 6 % of the gap.',
        '- Better than PKD: FMKT.',
        '- Worse than PKD: STUDENT; FMKT, bypassed at inference.',
        '- Open: none.',
        '- The highest mean of the others has FMKT. Its differences: AP +1.00 [+0.75, +1.25], n = 3;',
    ):
        assert line in text, line


def test_nobody_above_the_reference_is_named_and_without_a_comparison_nothing_is_said(study, results):
    of_fmkt = Table('Methods', ('student', 'pkd', 'fmkt'), 'fmkt')
    assert '- Better than FMKT: none.' in findings(study, of_fmkt, results) and 'highest' not in findings(
        study, of_fmkt, results
    )
    assert findings(study, Table('Alone', ('teacher', 'fmkt'), 'fmkt'), results) == ''


def test_a_row_without_runs_is_shown_without_figures(study, results):
    del results.rows['pkd']
    lines = markdown_table(study, study.tables[0], results).splitlines()
    assert [cell.strip() for cell in lines[4].split('|')[1:4]] == ['PKD', '0', '']


def test_colours_stand_for_every_verdict():
    assert set(COLOURS) == {'better', 'worse', 'open'}


def test_students_are_compared_with_those_of_their_schedule():
    rows = {'student.short': {0: row(20.0)}, 'student.full': {0: row(30.0)}, 'teacher': {0: row(40.0)}}
    rows |= {'pkd.short': {0: row(30.0)}, 'pkd.full': {0: row(35.0)}}
    for name, of_seed in rows.items():
        of_seed[0]['teacher'] = None if name == 'teacher' else 'teacher'
    results = Results(rows, 'student')
    assert results.recovered('pkd.short') == results.recovered('pkd.full') == [0.5]
    assert results.recovered('student.full') == [] and results.inference('teacher') == 1.0


def test_the_legend_over_epochs_has_the_runs_of_every_panel():
    panels = Figure().subplots(1, 2)
    for axes, titles in zip(panels, (['student', 'FM-KT'], ['student', 'PKD'])):
        for title in titles:
            axes.plot([0, 1], label=title)
    assert list(lines_of(panels)) == ['student', 'FM-KT', 'PKD']


def test_the_chart_over_epochs_shows_what_was_logged(study, results, tmp_path):
    assert not draw_epochs(study, results, tmp_path / 'none.png')
    for seed, of_seed in results.rows['fmkt'].items():
        of_seed['curve'] = {'2': 30.0 + seed, '4': 35.0}
    assert results.curves('fmkt')[1] == {2: 31.0, 4: 35.0}
    del results.rows['student']  # not trained yet
    assert draw_epochs(replace(study, curves=('student', 'fmkt')), results, tmp_path / 'epochs.png')
    assert cv2.imread(str(tmp_path / 'epochs.png')).shape[1] > 600


def test_the_chart_over_epochs_leaves_out_what_the_study_no_longer_has(study, results, tmp_path):
    for name in ('student', 'fmkt'):
        results.rows[name][0]['curve'] = {'2': 30.0}
    del study.runs['fmkt']  # its rows are kept
    assert measured(replace(study, curves=('fmkt', 'student')), results, '') == ['student']
    assert draw_epochs(replace(study, curves=('fmkt', 'student')), results, tmp_path / 'epochs.png')


@pytest.mark.parametrize('last, label', [(4, 'epochs'), (100, 'iterations')])
def test_the_chart_over_epochs_says_what_was_counted(study, results, last, label):
    results.rows['fmkt'][0]['curve'] = {'2': 30.0, str(last): 35.0}
    axes = Figure().subplots()
    draw_panel(axes, replace(study, curves=('fmkt',)), results, ['fmkt'])
    assert axes.get_xlabel() == label


def test_some_runs_of_a_study_are_chosen_by_name_with_their_teacher(study):
    chosen = choose(study.all_runs(), ['fmkt'])
    assert [run.id for run in chosen] == ['teacher_seed0', 'fmkt_seed0', 'fmkt_seed1', 'fmkt_seed2', 'fmkt_seed3']
    with pytest.raises(ValueError, match='--runs must be of student, pkd, fmkt, but got teacher'):
        choose(study.all_runs(), ['teacher'])


def test_the_overview_has_ap_and_gap_after_each_schedule():
    rows = {'student.short': {0: row(20.0)}, 'student.full': {0: row(30.0)}, 'teacher': {0: row(40.0)}}
    rows |= {'pkd.short': {0: row(30.0)}}
    for name, of_seed in rows.items():
        of_seed[0]['teacher'] = None if name == 'teacher' else 'teacher'
    teacher = Run('teacher', 'large', 'configs/demo/retinanet_r34.py', {}, weights='teacher.pth')
    names = ('student.short', 'student.full', 'pkd.short', 'pkd.full')
    runs = {name: {0: Run(name, name[:3], '', {}, teacher=teacher)} for name in names}
    tables = tuple(
        Table('Methods', ('teacher', f'student.{name}', f'pkd.{name}'), f'student.{name}', schedule=title)
        for name, title in (('short', '4 epochs'), ('full', '12 epochs'))
    )
    study = Study('A study', {'teacher': teacher}, runs, 'student', tables)
    lines = [
        [cell.strip() for cell in line.split('|')[1:-1]]
        for line in overview(study, tables, Results(rows, 'student')).splitlines()
    ]
    assert lines[0][:5] == ['', 'AP, 4 epochs', 'gap recovered, 4 epochs', 'AP, 12 epochs', 'gap recovered, 12 epochs']
    assert [line[:5] for line in lines[2:]] == [
        ['large', '40.0', '', '40.0', ''],
        ['stu', '20.0', '', '30.0', ''],
        ['pkd', '30.0', '50 %', '', ''],
    ]
