"""The seam score is that of its definition, and tells closed panoramas from open ones."""

import numpy as np
import pytest

from ldm3d.metrics.seam import seam_ratio
from ldm3d.toy import room


def test_steps_of_known_size_have_their_ratio():
    row = np.array([[7, 1, 2, 3]], np.uint8)  # inner steps 6, 1 and 1, and 4 across the seam
    assert seam_ratio(row) == pytest.approx(4 / (8 / 3))
    assert seam_ratio(np.repeat(row, 5, axis=0)[..., None]) == pytest.approx(1.5)
    assert seam_ratio(row.astype(np.float32) * 1_000 + 5) == pytest.approx(1.5)


def test_a_closed_panorama_has_1_on_average_over_where_it_is_cut_and_a_cut_out_one_has_more():
    picture, distance = room.panorama(32)
    for closed in (picture, 1 / distance):
        ratios = [seam_ratio(np.roll(closed, shift, axis=1)) for shift in range(64)]
        assert np.mean(ratios) == pytest.approx(1, abs=0.05)
    wave = np.sin(np.arange(64) / 64 * 6 * np.pi)[None]
    assert seam_ratio(wave[:, :56]) > 2


def test_where_nothing_changes_there_is_no_ratio():
    assert np.isnan(seam_ratio(np.zeros((4, 8), np.uint8)))


def test_what_has_no_columns_is_refused():
    with pytest.raises(ValueError, match="wanted"):
        seam_ratio(np.zeros((4, 1)))
