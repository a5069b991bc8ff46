import numpy as np
import pytest
import torch

from mmfmkt.visualization import draw_sheet, to_rgb
from mmfmkt.visualization.feature_sheet import ERROR_COLOURS, FEATURE_COLOURS
from mmfmkt.visualization.stages import TARGET, stages_of


def maps(figure, colours):
    images = [
        image for axes in figure.axes for image in axes.images if image.get_array().ndim == 2
    ]  # the others are photos
    return [image for image in images if image.get_cmap().name == colours]


def test_all_maps_of_a_kind_share_one_colour_scale_over_all_levels(perfect, photos):
    figure = draw_sheet(perfect, photos[0], 0)
    # of two levels: three states and two endpoints, the teacher's feature, and errors of all but that
    for colours, number in ((FEATURE_COLOURS, 12), (ERROR_COLOURS, 10)):
        found = maps(figure, colours)
        assert len(found) == number and len({id(image.norm) for image in found}) == 1


def test_the_error_of_a_perfect_flow_is_zero_at_its_output_and_nowhere_before(perfect, photos):
    for path in perfect.values():
        errors = [stage.error.max() for stage in stages_of(path, photos[0], 0, taught=True)]
        assert errors[2:] == [0, 0, 0, 0] and min(errors[:2]) > 0


def test_without_a_teacher_none_is_drawn_and_the_title_says_so(perfect, photos):
    assert not [stage for stage in stages_of(perfect[0], photos[0], 0, taught=False) if stage.group == TARGET]
    texts = [text.get_text() for text in draw_sheet(perfect, photos[0], 0, taught=False).texts]
    assert any('without a teacher (OFM-KT)' in text for text in texts) and not any(
        'teacher $X^T$' in text for text in texts
    )


def test_formulas_are_those_of_the_sheet_and_none_of_the_name_of_the_image(perfect, photos):
    photos[0].sample.set_metainfo(dict(img_path='folder/$a$.jpg'))
    texts = draw_sheet(perfect, photos[0], 0).texts
    assert all(text.get_parse_math() for text in texts if text.get_text() == 'student $X^S$')
    assert [text.get_parse_math() for text in texts if '$a$.jpg' in text.get_text()] == [False]


def test_what_fills_up_the_batch_is_not_drawn(perfect, photos):
    whole = stages_of(perfect[0], photos[0], 0, taught=True)[0].feature
    photos[0].sample.set_metainfo(dict(img_shape=(32, 12)))
    cut = stages_of(perfect[0], photos[0], 0, taught=True)[0].feature
    assert cut.shape == (4, 2) and np.array_equal(cut, whole[:, :2])


def test_the_picture_shows_the_image_in_its_own_colours(perfect, photos):
    photos[0].data['inputs'] = torch.tensor([250, 10, 20], dtype=torch.uint8).view(3, 1, 1).expand(3, 32, 32)  # BGR
    pixels = to_rgb(draw_sheet(perfect, photos[0], 0))
    assert pixels.dtype == np.uint8 and (pixels == (20, 10, 250)).all(-1).sum() > 1000


def test_the_distance_of_a_single_location_is_called_undefined(make_path, photos):
    alone = torch.zeros(1, 6, 1, 1)
    figure = draw_sheet({0: make_path(alone, alone, alone)}, photos[0], 0)
    assert {axes.get_xlabel() for axes in figure.axes} == {'', 'undefined'}


@pytest.mark.parametrize('num_steps', [1, 8])
def test_any_number_of_steps_has_its_columns(make_path, perfect, photos, num_steps):
    path = make_path(perfect[0].states[0], perfect[0].target, perfect[0].target, num_steps)
    assert len(maps(draw_sheet({0: path}, photos[0], 0), FEATURE_COLOURS)) == num_steps + 1 + num_steps + 1
