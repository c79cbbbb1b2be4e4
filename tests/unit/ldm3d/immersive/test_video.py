"""What comes out of a film is what went in: colours, frames and their times; and players can begin anywhere."""

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from ldm3d.immersive.video import write_video

av = pytest.importorskip("av")

COLOURS = np.array(
    [
        (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 255, 255), (255, 0, 255), (255, 255, 0),
        (255, 255, 255), (0, 0, 0), (128, 128, 128), (230, 70, 60), (30, 90, 160), (17, 200, 99),
    ],
    np.uint8,
)  # fmt: skip


def patches(height: int, width: int) -> np.ndarray:
    return np.repeat(COLOURS, width // len(COLOURS), axis=0)[None].repeat(height, axis=0)


def as_shown(frame) -> np.ndarray:
    """RGB of a frame by the formulas of BT.709 in limited range, not by the library that converted it."""
    planes = [np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:, : plane.width] for plane in frame.planes]
    y, cb, cr = planes[0], *(plane.repeat(2, axis=0).repeat(2, axis=1) for plane in planes[1:])
    luma, blue, red = (y - 16.0) / 219, (cb - 128.0) / 224, (cr - 128.0) / 224
    channels = [luma + 1.5748 * red, luma - 0.1873 * blue - 0.4681 * red, luma + 1.8556 * blue]
    return np.clip(np.rint(np.stack(channels, -1) * 255), 0, 255)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("size", [(48, 192), (720, 768)], ids=["SD", "HD"])
def test_colours_are_those_that_went_in_and_the_file_says_how_to_show_them(tmp_path, codec, size):
    picture = patches(*size)
    write_video(tmp_path / "a.mp4", [picture] * 2, codec=codec)
    with av.open(str(tmp_path / "a.mp4")) as file:
        context = file.streams.video[0].codec_context
        tags = (context.color_primaries, context.color_trc, context.colorspace, context.color_range)
        assert tags == (1, 1, 1, 1)  # BT.709 in all, limited range
        assert context.pix_fmt == "yuv420p"
        assert context.codec_tag == {"h264": "avc1", "hevc": "hvc1"}[codec]
        middles = np.arange(len(COLOURS)) * (size[1] // len(COLOURS)) + size[1] // len(COLOURS) // 2
        for frame in file.decode(video=0):
            assert np.abs(as_shown(frame)[size[0] // 2, middles] - COLOURS).max() <= 3


def test_frames_come_in_order_each_in_its_time(tmp_path):
    levels = range(20, 240, 20)
    frames = (np.full((32, 64, 3), level, np.uint8) for level in levels)
    assert write_video(tmp_path / "a.mp4", frames, fps=Fraction(30_000, 1_001)) == len(levels)
    with av.open(str(tmp_path / "a.mp4")) as file:
        assert file.streams.video[0].average_rate == Fraction(30_000, 1_001)
        found = list(file.decode(video=0))
    assert [round(as_shown(frame).mean() / 20) * 20 for frame in found] == list(levels)
    assert [frame.time for frame in found] == pytest.approx([n * 1_001 / 30_000 for n in range(len(levels))], abs=1e-4)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_films_of_a_few_frames_begin_at_0_and_have_them_all(tmp_path, codec, count):
    for _ in range(5):
        write_video(tmp_path / "a.mp4", [np.zeros((32, 64, 3), np.uint8)] * count, fps=10, codec=codec)
        with av.open(str(tmp_path / "a.mp4")) as file:
            times = [frame.time for frame in file.decode(video=0)]
            assert times == pytest.approx([number / 10 for number in range(count)])
            assert file.duration == pytest.approx(count / 10 * 1e6, abs=1_000)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_every_second_stands_by_itself_and_the_index_is_first(tmp_path, codec):
    noise = np.random.default_rng(0).integers(0, 255, (25, 32, 64, 3), np.uint8)
    write_video(tmp_path / "a.mp4", noise, fps=8, codec=codec)
    with av.open(str(tmp_path / "a.mp4")) as file:
        packets = [packet for packet in file.demux(video=0) if packet.size]
        alone = [packet.pts * packet.time_base for packet in packets if packet.is_keyframe]
    assert max(np.diff([*alone, Fraction(25, 8)])) <= 1
    for begin, end in zip(alone, [*alone[1:], 99], strict=True):  # closed: nothing after one is shown before it
        mine = [packet for packet in packets if begin <= packet.pts * packet.time_base < end]
        assert packets.index(mine[0]) == min(packets.index(packet) for packet in mine)
        assert mine[0].is_keyframe
    content = (tmp_path / "a.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_a_frame_is_asked_for_when_the_one_before_it_is_done(tmp_path):
    asked, done = [], []

    def frames():
        for number in range(5):
            asked.append((number, list(done)))
            yield np.zeros((32, 64, 3), np.uint8)

    write_video(tmp_path / "a.mp4", frames(), progress=done.append)
    assert asked == [(number, list(range(1, number + 1))) for number in range(5)]
    assert done == [1, 2, 3, 4, 5]


def test_a_name_with_a_colon_is_a_file_not_an_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video("pipe:a.mp4", [np.zeros((32, 64, 3), np.uint8)])
    assert [file.name for file in tmp_path.iterdir()] == ["pipe:a.mp4"]


@pytest.mark.parametrize(
    ("shape", "settings", "words"),
    [
        ((31, 64, 3), {}, "64 x 31, wanted even sizes.*render 64 x 32"),
        ((32, 63, 3), {}, "render 64 x 32"),
        ((8, 16, 3), {"codec": "hevc"}, "wanted 16 or more"),
        ((32, 64, 3), {"codec": "vp9"}, "codec is 'vp9'"),
        ((32, 64, 3), {"fps": 0}, "fps is 0"),
        ((32, 64, 3), {"crf": 52}, "crf is 52"),
        ((32, 64), {}, r"wanted a PIL picture or \(H, W, 3\) uint8"),
    ],
)
def test_what_makes_no_film_is_refused_and_leaves_no_file(tmp_path, shape, settings, words):
    with pytest.raises(ValueError, match=words):
        write_video(tmp_path / "a.mp4", [np.zeros(shape, np.uint8)], **settings)
    assert list(tmp_path.iterdir()) == []


def test_a_film_that_fails_half_way_leaves_what_was_there(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"before")
    sizes = [(32, 64, 3), (32, 32, 3)]
    with pytest.raises(ValueError, match="frame 2 is"):
        write_video(tmp_path / "a.mp4", [np.zeros(size, np.uint8) for size in sizes])
    with pytest.raises(ValueError, match="no frames"):
        write_video(tmp_path / "a.mp4", [])
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == b"before"


REPEATED = """
import sys
from pathlib import Path
import numpy as np
from ldm3d.immersive.video import write_video

film, codec, times = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
noise = np.random.default_rng(0).integers(0, 255, (352, 352, 3), dtype=np.uint8)
frames = [np.ascontiguousarray(np.roll(noise, (n // 3, n // 2), (0, 1))[:176, :176]) for n in range(72)]
seen = set()
for _ in range(times):
    write_video(film, frames, 24, codec, threads=1)
    seen.add(film.read_bytes())
print(len(seen))
"""


@pytest.mark.parametrize(("codec", "times"), [("h264", 20), ("hevc", 4)])
def test_one_thread_gives_the_same_bytes_each_time(tmp_path, codec, times):
    # In a process of its own, where an encoder is given the memory of the one before it, as an actor's is.
    command = [sys.executable, "-c", REPEATED, str(tmp_path / "film.mp4"), codec, str(times)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "1\n"
