"""The benchmark of views runs, at a tiny size, without its peers: it will not fail for the first time beside them."""

import pytest

from benchmarks.panorama_views import compare, eyes_of, measure, write_scene
from benchmarks.peers import READY, python_packages


def test_our_side_is_measured_and_judged(tmp_path):
    eyes, scene = eyes_of(views=2, view=48, pair=32), tmp_path / "scene.npz"
    write_scene(scene, 64, eyes)
    found = measure("ours", "", scene, eyes)
    for figure in ("prepare", "views", "stereo"):
        assert (found[figure] > 0).all()
    assert found["views_psnr"] > 22  # one pixel in four is at an edge, at this size; a wrong view has 15 or less
    assert found["stereo_psnr"] > 22


def test_ours_is_compared_turn_by_turn():
    turns = {
        "ours": [{"views": (1.0, 2.0), "stereo": (1.0, 1.0)}, {"views": (2.0, 2.0), "stereo": (1.0, 1.0)}],
        "pyvista": [{"views": (3.0, 8.0)}, {"views": (4.0, 6.0)}],
    }
    found = compare(turns)
    assert found.keys() == {"pyvista"}
    assert found["pyvista"].keys() == {"views"}  # it draws no stereo panoramas
    assert (found["pyvista"]["views"]["per_s"].low, found["pyvista"]["views"]["per_s"].high) == (2, 3)
    assert found["pyvista"]["views"]["per_cpu_s"].middle == pytest.approx(3.5)


def test_a_folder_of_peers_is_used_again(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.peers.subprocess.run", None)  # nothing is installed
    (tmp_path / READY).write_text("peer==1\nother==2")
    with python_packages(str(tmp_path), "peer==1", "other==2") as folder:
        assert folder == tmp_path.resolve()
