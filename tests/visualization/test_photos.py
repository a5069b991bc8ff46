import pytest
import torch

from mmfmkt.visualization.photos import pixels_of


def test_an_image_is_shown_as_it_is():
    image = torch.arange(24, dtype=torch.uint8).view(3, 2, 4) * 10
    assert torch.equal(torch.from_numpy(pixels_of(image)), image.flip(0).permute(1, 2, 0))
    assert torch.equal(torch.from_numpy(pixels_of(image[:1].float()))[..., 2], image[0])


@pytest.mark.parametrize('darkest, brightest', [(0, 4095), (-2.0, 2.5), (300, 310)])
def test_an_image_of_other_numbers_is_shown_from_its_darkest_to_its_brightest(darkest, brightest):
    shown = pixels_of(torch.linspace(darkest, brightest, 11).expand(1, 2, 11))[0, :, 0].tolist()
    assert shown[0] == 0 and shown[-1] >= 254 and sorted(set(shown)) == shown


def test_an_image_of_one_number_is_shown():
    assert set(pixels_of(torch.full((3, 2, 2), -1.5)).ravel()) == {0}
