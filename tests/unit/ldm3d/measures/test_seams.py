"""Seams are measured in each picture and, where there is one, in its depth."""

import numpy as np

from ldm3d.measures import Batch
from ldm3d.measures.seams import Seams
from ldm3d.metrics.seam import seam_ratio
from ldm3d.toy import room


def test_each_picture_and_depth_has_its_own_ratio():
    picture, distance = room.panorama(16)
    images, depths = [picture, np.roll(picture, 5, axis=1)], [(1_000 / distance).astype(np.uint16)] * 2
    table = Seams()(Batch(np.arange(2), np.zeros(2, np.int32), images, None, depths))
    assert table.schema == Seams.columns
    assert table["seam_ratio"].to_pylist() == [seam_ratio(image) for image in images]
    assert table["depth_seam_ratio"].to_pylist() == [seam_ratio(depths[0])] * 2
    alone = Seams()(Batch(np.arange(2), np.zeros(2, np.int32), images))
    assert np.isnan(alone["depth_seam_ratio"]).all()
