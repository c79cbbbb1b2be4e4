"""What is written into a film about its pixels is read by others as it was meant, and nothing else changes."""

import json
import shutil
import struct
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from ldm3d.immersive.boxes import box, boxes, edited
from ldm3d.immersive.layout import Layout
from ldm3d.immersive.spherical import V1_UUID
from ldm3d.immersive.tagging import tag
from ldm3d.immersive.video import write_video

av = pytest.importorskip("av")

PACKINGS = ("mono", "side-by-side", "top-bottom", "anaglyph")
LAYOUTS = [Layout(projection, packing) for projection in ("360", "180", "flat") for packing in PACKINGS]
SAMPLES = (b"mdia", b"minf", b"stbl")
CONTAINERS = (b"sv3d", b"proj", b"vexu", b"eyes", b"cams", b"pack")
# of FFmpeg's libavutil: enum AVSphericalProjection and enum AVStereo3DType
EQUIRECTANGULAR, HALF_EQUIRECTANGULAR = 0, 3
STEREO = {"side-by-side": 1, "top-bottom": 2}


def write(file: Path, flags: str = "", codec: str = "libx264") -> Path:
    """A film of noise with sound, so that chunks of two tracks lie between each other."""
    with av.open(str(file), "w", format="mp4", options={"movflags": flags} if flags else {}) as container:
        sound, video = container.add_stream("aac", rate=8_000, layout="mono"), container.add_stream(codec, rate=5)
        video.width, video.height, video.pix_fmt = 64, 32, "yuv420p"
        noise = np.random.default_rng(0)
        for second in range(3):
            for number in range(5):
                frame = av.VideoFrame.from_ndarray(noise.integers(0, 255, (48, 64), np.uint8), format="yuv420p")
                frame.pts = 5 * second + number
                container.mux(video.encode(frame))
            heard = av.AudioFrame.from_ndarray(
                noise.normal(0, 0.1, (1, 8_000)).astype(np.float32), format="fltp", layout="mono"
            )
            heard.sample_rate, heard.pts = 8_000, second * 8_000
            container.mux(sound.encode(heard))
        for stream in (sound, video):
            container.mux(stream.encode(None))
    return file


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("film") / "a.mp4", "+faststart")


def packets(file: Path) -> list[tuple[int, int | None, bytes]]:
    with av.open(str(file)) as container:
        return [(packet.stream_index, packet.pts, bytes(packet)) for packet in container.demux() if packet.size]


def frames(file: Path) -> list[bytes]:
    with av.open(str(file)) as container:
        return [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]


def told(file: Path) -> dict[str, tuple[int, ...]]:
    """What FFmpeg's libraries take from the boxes: the numbers of its structures, by name."""
    with av.open(str(file)) as container:
        frame = next(container.decode(video=0))
        return {
            data.type.name: struct.unpack_from("<9i", bytes(data))
            for data in frame.side_data
            if data.type.name in ("SPHERICAL", "STEREO3D")
        }


def tree(content: bytes) -> list:
    """Boxes by their types: those that hold others as lists, the rest as their content."""
    return [(kind.decode(), tree(body) if kind in CONTAINERS else body) for kind, _, body in boxes(content)]


def entry(file: Path) -> dict[str, list]:
    """Our boxes in the sample entry of the video."""
    found = []

    def keep(body: bytes) -> bytes:
        found.extend(part for kind, _, content in boxes(body[8:]) if kind == b"avc1" for part in tree(content[78:]))
        return body

    edited(file.read_bytes(), (b"moov", b"trak", *SAMPLES, b"stsd"), keep)
    return {kind: content for kind, content in found if kind.encode() in (b"st3d", b"sv3d", b"vexu")}


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.suffix or "plain")
def test_ffmpeg_reads_what_is_meant_and_nothing_else_has_changed(tmp_path, film, layout):
    tag(film, tmp_path / "a.mp4", layout, ipd=0.07)
    found = told(tmp_path / "a.mp4")
    sphere, stereo = found.get("SPHERICAL"), found.get("STEREO3D")
    assert (sphere and sphere[0]) == {"360": EQUIRECTANGULAR, "180": HALF_EQUIRECTANGULAR, "flat": None}[
        layout.projection
    ]
    if layout.is_packed:
        assert stereo[0] == STEREO[layout.packing]
        assert stereo[4] == 70_000  # micrometres
    assert packets(tmp_path / "a.mp4") == packets(film)
    assert frames(tmp_path / "a.mp4") == frames(film)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.suffix or "plain")
def test_google_and_apple_are_told_in_their_own_boxes(tmp_path, film, layout):
    tag(film, tmp_path / "a.mp4", layout)
    found, zeros = entry(tmp_path / "a.mp4"), bytes(4)
    google = {}
    if not layout.is_plain:
        google["st3d"] = zeros + bytes([{"top-bottom": 1, "side-by-side": 2}.get(layout.packing, 0)])
    if layout.projection != "flat":
        cut = b"\x3f\xff\xff\xff" if layout.projection == "180" else zeros
        google["sv3d"] = [
            ("svhd", zeros + b"LDM3D on Ray\0"),
            ("proj", [("prhd", zeros * 4), ("equi", zeros * 3 + cut * 2)]),
        ]
    eyes = [
        ("stri", zeros + b"\x03"),
        ("hero", zeros + b"\0"),
        ("cams", [("blin", zeros + struct.pack(">I", 64_000))]),
    ]
    apple = []
    if layout.is_packed:
        apple.append(("eyes", eyes))
    if layout.projection != "flat":
        apple.append(("proj", [("prji", zeros + {"360": b"equi", "180": b"hequ"}[layout.projection])]))
    if layout.is_packed:
        apple.append(("pack", [("pkin", zeros + {"side-by-side": b"side", "top-bottom": b"over"}[layout.packing])]))
    assert found == google | ({"vexu": apple} if apple else {})


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.suffix or "plain")
def test_readers_of_the_first_version_find_their_xml_if_it_is_a_whole_sphere(tmp_path, film, layout):
    tag(film, tmp_path / "a.mp4", layout)
    tracks = [body for kind, _, body in boxes(file_box(tmp_path / "a.mp4", b"moov")) if kind == b"trak"]
    found = [body[16:] for track in tracks for kind, _, body in boxes(track) if kind == b"uuid"]
    if layout.projection != "360":
        assert found == []
        return
    facts = {element.tag.split("}")[1]: element.text for element in ElementTree.fromstring(found[0])}
    assert facts["Spherical"] == facts["Stitched"] == "true"
    assert facts["ProjectionType"] == "equirectangular"
    assert facts.get("StereoMode") == {"side-by-side": "left-right", "top-bottom": "top-bottom"}.get(layout.packing)
    assert file_box(tmp_path / "a.mp4", b"moov").count(V1_UUID) == 1  # of the video, not of the sound


def file_box(file: Path, wanted: bytes) -> bytes:
    return next(body for kind, _, body in boxes(file.read_bytes()) if kind == wanted)


@pytest.mark.parametrize("flags", ["", "+faststart"], ids=["index last", "index first"])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_frames_are_found_wherever_the_index_is(tmp_path, flags, codec):
    source = write(tmp_path / "a.mp4", flags, codec)
    tag(source, tmp_path / "b.mp4", Layout("360", "top-bottom"))
    assert packets(tmp_path / "b.mp4") == packets(source)
    assert told(tmp_path / "b.mp4")["STEREO3D"][0] == STEREO["top-bottom"]


def test_places_of_64_bits_are_moved_too(tmp_path, film):
    chunks = []
    content = film.read_bytes()
    edited(content, (b"moov", b"trak", *SAMPLES, b"stco"), lambda body: chunks.append((len(body) - 8) // 4) or body)
    grown = 4 * sum(chunks)

    def wide(track: bytes) -> bytes:
        """Replace stco by co64."""
        parts = []
        for kind, head, body in boxes(track):
            if kind == b"stco":
                places = struct.unpack_from(f">{(len(body) - 8) // 4}I", body, 8)
                parts.append(
                    box(b"co64", body[:8], struct.pack(f">{len(places)}Q", *(each + grown for each in places)))
                )
            else:
                parts.append(head + body)
        return b"".join(parts)

    (tmp_path / "wide.mp4").write_bytes(edited(content, (b"moov", b"trak", *SAMPLES), wide))
    assert packets(tmp_path / "wide.mp4") == packets(film)
    tag(tmp_path / "wide.mp4", tmp_path / "a.mp4", Layout("360"))
    assert b"stco" not in file_box(tmp_path / "a.mp4", b"moov")
    assert packets(tmp_path / "a.mp4") == packets(film)


def test_what_was_said_before_is_replaced_also_in_place(tmp_path, film):
    copy = tmp_path / "a.mp4"
    shutil.copy(film, copy)
    tag(film, tmp_path / "once.mp4", Layout("180", "side-by-side"))
    for layout in (Layout("360", "top-bottom"), Layout("360"), Layout("180", "side-by-side")):
        tag(copy, copy, layout)
    assert copy.read_bytes() == (tmp_path / "once.mp4").read_bytes()
    tag(copy, copy, Layout("flat"))
    assert copy.read_bytes() == film.read_bytes()


def test_our_own_films_keep_their_colours_and_their_name_for_apple(tmp_path):
    write_video(tmp_path / "a.mp4", [np.zeros((32, 64, 3), np.uint8)] * 2, codec="hevc")
    tag(tmp_path / "a.mp4", tmp_path / "a.mp4", Layout("180", "side-by-side"))
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.codec_tag, context.colorspace) == ("hvc1", 1)


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
def test_ffprobe_names_the_projection_and_the_packing(tmp_path, film):
    tag(film, tmp_path / "a.mp4", Layout("360", "top-bottom"))
    command = [
        "ffprobe",
        "-v",
        "error",
        "-show_streams",
        "-select_streams",
        "v",
        "-of",
        "json",
        str(tmp_path / "a.mp4"),
    ]
    streams = json.loads(subprocess.check_output(command, timeout=60))["streams"]
    data = {each["side_data_type"]: each for each in streams[0]["side_data_list"]}
    assert data["Stereo 3D"]["type"] == "top and bottom"
    assert data["Spherical Mapping"]["projection"] == "equirectangular"


@pytest.mark.parametrize("flags", ["+frag_keyframe+empty_moov", "+frag_keyframe"])
def test_a_fragmented_film_is_refused_with_what_to_do(tmp_path, flags):
    source = write(tmp_path / "a.mp4", flags)
    with pytest.raises(ValueError, match=r"fragmented MP4.*ffmpeg -i IN.mp4 -c copy -movflags \+faststart OUT.mp4"):
        tag(source, tmp_path / "b.mp4", Layout("360"))


def test_a_film_without_video_or_of_another_codec_is_refused(tmp_path, film):
    hidden = film.read_bytes().replace(b"avc1\0\0\0\0", b"xyz1\0\0\0\0", 1)
    (tmp_path / "a.mp4").write_bytes(hidden)
    with pytest.raises(ValueError, match=r"no video of a codec that is known here \(avc1"):
        tag(tmp_path / "a.mp4", tmp_path / "b.mp4", Layout("360"))


@pytest.mark.parametrize(
    "content", [b"", b"no film at all", b"\x89PNG\r\n\x1a\n" * 9, box(b"ftyp", b"isom"), box(b"moov")]
)
def test_what_is_no_film_is_refused_and_the_target_stays(tmp_path, content):
    (tmp_path / "a.mp4").write_bytes(content)
    (tmp_path / "b.mp4").write_bytes(b"before")
    with pytest.raises(ValueError, match=r"MP4|video"):
        tag(tmp_path / "a.mp4", tmp_path / "b.mp4", Layout("360"))
    assert (tmp_path / "b.mp4").read_bytes() == b"before"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_film_that_was_cut_off_or_damaged_is_refused_or_copied_never_more(tmp_path, film):
    content = film.read_bytes()
    index = content.index(b"moov")
    random = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(content[: random.integers(1, len(content))] if random.random() < 0.2 else content)
        for place in random.integers(index - 4, index + len(file_box(film, b"moov")), random.integers(1, 6)):
            damaged[min(place, len(damaged) - 1)] = random.choice([0, 1, 8, 127, 255])
        (tmp_path / "a.mp4").write_bytes(damaged)
        try:
            tag(tmp_path / "a.mp4", tmp_path / "b.mp4", Layout("360", "top-bottom"))
        except ValueError as error:
            assert str(error)  # noqa: PT017 (most of the two hundred are copied)


@pytest.mark.parametrize("ipd", [-0.1, 5_000.0, float("nan")])
def test_a_distance_of_the_eyes_that_has_no_number_is_refused(tmp_path, film, ipd):
    with pytest.raises(ValueError, match="ipd is"):
        tag(film, tmp_path / "a.mp4", Layout("360", "top-bottom"), ipd)
