import pytest
import torch

from mmfmkt.visualization import Objects, draw_projection
from mmfmkt.visualization.projection import fit_projection


def test_one_component_explains_all_of_points_in_a_line():
    vectors = torch.arange(5, dtype=torch.float64)[:, None] * torch.tensor([3.0, -1, 2], dtype=torch.float64) + 7
    torch.testing.assert_close(fit_projection(vectors).explained, torch.tensor([1.0, 0], dtype=torch.float64))


def test_points_of_a_plane_keep_their_distances():
    torch.manual_seed(0)
    plane, _ = torch.linalg.qr(torch.randn(6, 2, dtype=torch.float64))
    points = torch.randn(9, 2, dtype=torch.float64)
    vectors = points @ plane.T + 3
    projection = fit_projection(vectors)
    torch.testing.assert_close(torch.cdist(projection(vectors), projection(vectors)), torch.cdist(points, points))
    assert projection.explained.sum().item() == pytest.approx(1)


def test_a_single_vector_has_no_plane():
    with pytest.raises(ValueError, match=r'at least 2 vectors of at least 2 numbers, but got \(1, 6\)'):
        fit_projection(torch.zeros(1, 6))


def test_the_axes_say_how_much_of_the_variance_they_show(perfect, photos):
    objects = Objects()
    objects.add(perfect, photos)
    figure = draw_projection(objects, '0123456789')
    shares = [int(axes.get_xlabel().split()[2]) + int(axes.get_ylabel().split()[2]) for axes in figure.axes]
    assert len(shares) == 2 and all(0 < share <= 100 for share in shares)
    assert [text.get_text() for text in figure.legends[0].texts] == [
        'path of an object',
        'student',
        'output',
        'teacher',
        '1',
        '2',
    ]
