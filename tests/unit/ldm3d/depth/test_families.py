"""Every family that transformers maps for depth estimation: what it means, and where its maps lie on the picture."""

import copy
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate
from transformers import DPTImageProcessor, ZoeDepthImageProcessor
from transformers.models.auto.modeling_auto import MODEL_FOR_DEPTH_ESTIMATION_MAPPING_NAMES

from ldm3d.config import LabelConfig
from ldm3d.depth.metric import MetricDepthEstimator
from ldm3d.depth.relative import DepthEstimator
from tests.builders.small_depth_models import (
    chmv2,
    depth_anything,
    depth_pro,
    dpt,
    dpt_on_dinov2,
    glpn,
    metric_depth_anything,
    prompt_depth_anything,
    tipsv2_dpt,
    zoedepth,
)

pytestmark = pytest.mark.usefixtures("one_thread")

BICUBIC, BILINEAR = {"mode": "bicubic"}, {"mode": "bilinear"}
# Builder; what post-processing returns; how it resizes maps; what has to be said about the model.
FAMILIES = {
    "dpt": (dpt, "inverse depth", BICUBIC, "auto"),  # MiDaS
    "dpt-on-dinov2": (dpt_on_dinov2, "metres", BICUBIC, "depth"),  # NYU and KITTI
    "depth_anything": (depth_anything, "inverse depth", BICUBIC, "auto"),
    "depth_anything-metric": (metric_depth_anything, "metres", BICUBIC, "auto"),  # sigmoid x max_depth
    "glpn": (glpn, "metres", BICUBIC, "auto"),  # sigmoid x max_depth
    "zoedepth": (zoedepth, "metres", BICUBIC, "auto"),  # a mean of depths between min_depth and max_depth
    "tipsv2_dpt": (tipsv2_dpt, "metres", BILINEAR, "auto"),  # likewise
    "depth_pro": (depth_pro, "1 / predicted", BILINEAR, "auto"),
    "depth_pro-fov": (lambda folder: depth_pro(folder, use_fov_model=True), "1 / predicted", BILINEAR, "auto"),
    "chmv2": (chmv2, "metres", BILINEAR | {"align_corners": True}, "depth"),  # of trees, unless trained for depth
}
REFUSED = {"prompt_depth_anything": prompt_depth_anything}
METRIC = [name for name, (_, returns, *_) in FAMILIES.items() if returns == "metres"]
# Of pictures, and how many: of the toy, of the paper, of its panoramas; not square, not of whole patches.
SIZES = [(32, 32, 2), (512, 512, 2), (1_024, 1_024, 1), (100, 75, 2)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A saved model of each family: name -> folder."""
    builders = {name: build for name, (build, *_) in FAMILIES.items()} | REFUSED
    found = {name: tmp_path_factory.mktemp(name) for name in builders}
    with torch.random.fork_rng(devices=[]):
        for name, build in builders.items():
            torch.manual_seed(0)
            build(found[name])
    return found


def opened(folder, asked="auto"):
    """Open a model, and a list that takes the model's own outputs as they come."""
    estimator, outputs = DepthEstimator.from_pretrained(LabelConfig(depth_model=str(folder), predicts=asked)), []
    estimator.model.register_forward_hook(lambda _model, _inputs, output: outputs.append(copy.copy(output)))
    return estimator, outputs


def soft_pictures(height, width, count):
    coarse = np.random.default_rng(0).integers(0, 256, (count, 3, 5, 5)).astype(np.float32)
    soft = interpolate(torch.from_numpy(coarse), (height, width), mode="bilinear", align_corners=True)
    return soft.permute(0, 2, 3, 1).round().to(torch.uint8).contiguous().numpy()


def padding_of(processor, size):
    """Pixels that a processor adds above, below, left and right of a picture, by its documentation."""
    if isinstance(processor, ZoeDepthImageProcessor):
        height, width = (int((side / 2) ** 0.5 * 3) for side in size)
        return height, height, width, width
    if not getattr(processor, "do_pad", False):
        return 0, 0, 0, 0
    height, width = (-side % processor.size_divisor for side in size)
    return height // 2, height - height // 2, width // 2, width - width // 2


def cut(maps, padding):
    above, below, left, right = padding
    return maps[:, above : maps.shape[1] - below, left : maps.shape[2] - right]


def padded(size, padding):
    return size[0] + padding[0] + padding[1], size[1] + padding[2] + padding[3]


def post_processed(processor, output, size):
    """Transformers' own maps, (N, H, W); where they still have their padding, it is cut off by hand."""
    if isinstance(processor, ZoeDepthImageProcessor):
        named, padding = "source_sizes", (0, 0, 0, 0)
    else:
        named, padding = "target_sizes", padding_of(processor, size)
    sizes = {named: [padded(size, padding)] * len(output.predicted_depth)}
    maps = processor.post_process_depth_estimation(output, **sizes)
    return cut(torch.stack([each["predicted_depth"] for each in maps]), padding)


def test_every_family_of_transformers_is_here():
    known = {name.split("-")[0] for name in FAMILIES} | REFUSED.keys()
    assert known == set(MODEL_FOR_DEPTH_ESTIMATION_MAPPING_NAMES)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", FAMILIES)
def test_maps_are_those_of_transformers_at_the_size_of_the_picture(folders, name, size):
    _, returns, _, asked = FAMILIES[name]
    images = soft_pictures(*size)
    estimator, outputs = opened(folders[name], asked)
    if returns == "metres":
        found = MetricDepthEstimator(estimator.model, estimator.processor, flip=False)(images)
    else:
        found = estimator.inverse_depth(images)
    expected = post_processed(estimator.processor, outputs[0], images.shape[1:3])
    assert len(found.unique()) > 500
    torch.testing.assert_close(found, 1 / expected if returns == "1 / predicted" else expected)


@pytest.mark.parametrize("name", METRIC)
def test_metres_are_inverted_before_they_are_resized(folders, name):
    """A bicubic filter overshoots at edges: resized first, what is near would fall below 0 m, that is, far away."""
    _, _, resizing, asked = FAMILIES[name]
    images = soft_pictures(100, 75, 2)
    estimator, outputs = opened(folders[name], asked)
    found = estimator.inverse_depth(images)
    padding = padding_of(estimator.processor, (100, 75))
    inverse = interpolate(1 / outputs[0].predicted_depth[:, None], padded((100, 75), padding), **resizing)[:, 0]
    torch.testing.assert_close(found, cut(inverse, padding))


@pytest.mark.parametrize("size", [{"height": 56, "width": 84}, {"height": 112, "width": 28}], ids=str)
def test_an_input_that_is_not_square_is_laid_on_the_square_picture(folders, tmp_path, size):
    shutil.copytree(folders["depth_anything"], tmp_path, dirs_exist_ok=True)
    DPTImageProcessor(size=size).save_pretrained(tmp_path)
    images = soft_pictures(64, 64, 2)
    estimator, outputs = opened(tmp_path)
    found = estimator.inverse_depth(images)
    assert outputs[0].predicted_depth.shape[1:] == tuple(size.values())
    torch.testing.assert_close(found, post_processed(estimator.processor, outputs[0], (64, 64)))


class Bright(torch.nn.Module):
    """Predicts inverse depth equal to brightness."""

    device, dtype = torch.device("cpu"), torch.float32

    def forward(self, pixel_values):
        return SimpleNamespace(predicted_depth=pixel_values.mean(1))


@pytest.mark.parametrize(
    "processor",
    [
        # by reflection, with 24 pixels on each side of a picture of 128
        ZoeDepthImageProcessor(size={"height": 352, "width": 352}, ensure_multiple_of=32),
        ZoeDepthImageProcessor(size={"height": 352, "width": 352}, ensure_multiple_of=32, do_pad=False),
        DPTImageProcessor(do_resize=False, do_pad=True, size_divisor=50),  # with black: to 150 pixels
        DPTImageProcessor(do_resize=False, do_pad=True, size_divisor=43),  # to 129: one pixel, on the right
        DPTImageProcessor(size={"height": 256, "width": 256}, do_pad=True, size_divisor=100),  # enlarged first
        DPTImageProcessor(size={"height": 256, "width": 256}),
    ],
)
def test_what_is_bright_in_the_picture_is_near_there(processor):
    images = np.zeros((1, 128, 128, 3), np.uint8)
    images[:, 16:112, 32:96] = 255
    depth = DepthEstimator(Bright(), processor, inverts=False)(images).depth[0]
    columns, rows = np.flatnonzero(depth[64] > 32_767), np.flatnonzero(depth[:, 64] > 32_767)
    np.testing.assert_allclose([columns[0], columns[-1], rows[0], rows[-1]], [32, 95, 16, 111], atol=1)


def test_the_mirror_image_is_mirrored_back_before_its_padding_is_cut_off():
    """130 pixels are padded with 2 on the left and 3 on the right."""
    processor = DPTImageProcessor(do_resize=False, do_pad=True, size_divisor=45, do_normalize=False)
    images = np.random.default_rng(0).integers(0, 256, (1, 130, 130, 3), dtype=np.uint8)
    once, twice = (MetricDepthEstimator(Bright(), processor, flip=flip)(images) for flip in (False, True))
    torch.testing.assert_close(once, torch.from_numpy(images).float().mean(-1) / 255)
    torch.testing.assert_close(twice, once)


@pytest.mark.parametrize("asked", ["auto", "inverse_depth", "depth"])
def test_a_model_that_needs_more_than_a_picture_is_refused(folders, asked):
    with pytest.raises(ValueError, match=r"'prompt_depth_anything' completes .* needs the picture alone: give "):
        opened(folders["prompt_depth_anything"], asked)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("chmv2", r"'chmv2' predicts the height of trees .*, wanted depth: give another .* --label\.predicts"),
        ("dpt-on-dinov2", r"'dpt' with the encoder 'dinov2' does not say .*--label\.predicts"),
    ],
)
def test_what_a_model_predicts_is_asked_for_where_it_does_not_say(folders, name, message):
    with pytest.raises(ValueError, match=message):
        opened(folders[name])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"do_center_crop": True}, 'crops pictures, wanted whole ones: put "do_center_crop": false'),
        ({"do_pad": True, "size_divisor": None}, 'wanted a padding that can be cut off: put "do_pad": false'),
        ({"image_processor_type": "ViTImageProcessor"}, "has the image processor ViTImageProcessor, wanted"),
    ],
)
def test_a_processor_whose_maps_do_not_lie_on_the_picture_is_refused(folders, tmp_path, settings, message):
    shutil.copytree(folders["depth_anything"], tmp_path, dirs_exist_ok=True)
    (file,) = tmp_path.glob("*processor_config.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))
    with pytest.raises(ValueError, match=message):
        opened(tmp_path)
