"""Films as MP4, which browsers, players and headsets open.

Colours are BT.709 at every size: pixels are converted to it, and the file says so. Where a file says nothing, players
guess by the height; where it says so of pixels that are BT.601, which FFmpeg makes by default, colours are shifted.
"""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ldm3d.pil import as_rgb

Codec = Literal["h264", "hevc"]
CRF = 18
"""Quality that looks like the original in both codecs; 0 to 51, lower is better."""


def write_video(
    target: str | Path,
    frames: Iterable[NDArray[np.uint8]],
    fps: float | Fraction = 30,
    codec: Codec = "h264",
    crf: int = CRF,
    progress: Callable[[int], None] | None = None,
    threads: int = 0,
) -> int:
    """Write a film, and return its number of frames.

    It starts before it is loaded (its index comes first), and every second of it can be decoded by itself. The file
    appears when it is whole.

    Args:
        target: an .mp4, which may be there.
        frames: (H, W, 3) uint8, sRGB, with even H and W, all of one size. One is in memory at a time.
        fps: frames in a second.
        codec: h264 plays everywhere; hevc is smaller, and Apple's headset plays it at larger sizes.
        crf: quality, from 0 (the best) to 51.
        progress: called with the number of frames that are done.
        threads: of the encoder; 0 is as many as there are CPUs. Its bytes depend on how many there are, and with 1 on
            nothing but frames and settings.

    Raises:
        ValueError: there is no frame, a size is odd or changes, or a setting is out of its range.
        ModuleNotFoundError: PyAV is not installed.
    """
    _check(fps, codec, crf)
    film = iter(frames)
    first = next(film, None)
    if first is None:
        raise ValueError("there are no frames, wanted one or more")
    height, width = as_rgb(first).shape[:2]
    _check_size(width, height, codec)
    target = Path(target)
    part = target.with_name(target.name + ".part")
    try:
        count = _encode(
            part,
            chain([first], film),
            (width, height),
            Fraction(fps).limit_denominator(1_001),
            codec,
            _options(codec, Fraction(fps), crf, threads),
            progress,
        )
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return count


def _encode(
    part: Path,
    frames: Iterator[NDArray[np.uint8]],
    size: tuple[int, int],
    fps: Fraction,
    codec: Codec,
    options: dict[str, str],
    progress: Callable[[int], None] | None,
) -> int:
    av = _pyav()
    count = 0
    with av.open(str(part.absolute()), "w", format="mp4", options={"movflags": "+faststart"}) as file:
        stream = file.add_stream({"h264": "libx264", "hevc": "libx265"}[codec], rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        context = stream.codec_context
        context.color_primaries = context.color_trc = context.colorspace = 1  # BT.709
        context.color_range = av.video.reformatter.ColorRange.MPEG
        if codec == "hevc":
            context.codec_tag = "hvc1"  # the name by which Apple's players know it
        for count, picture in enumerate(map(as_rgb, frames), 1):
            if picture.shape != (size[1], size[0], 3):
                raise ValueError(
                    f"frame {count} is {picture.shape}, the first one {(size[1], size[0], 3)}: wanted one size"
                )
            file.mux(stream.encode(_frame(av, picture, count - 1, fps)))
            if progress is not None:
                progress(count)
        last = stream.encode(None)
        if codec == "hevc" and count < 3:
            for packet in last:
                packet.dts = packet.pts  # x265 leaves it unset, at any number, where a film is shorter than its delay
        file.mux(last)
    return count


def _frame(av: Any, picture: NDArray[np.uint8], number: int, fps: Fraction) -> Any:
    """Return a frame in BT.709, limited range."""
    names = av.video.reformatter
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24").reformat(
        format="yuv420p",
        dst_colorspace=names.Colorspace.ITU709,
        dst_color_range=names.ColorRange.MPEG,
        dst_color_trc=names.ColorTrc.BT709,
        dst_color_primaries=names.ColorPrimaries.BT709,
        interpolation=names.Interpolation.BICUBIC
        | names.Interpolation.ACCURATE_RND
        | names.Interpolation.FULL_CHR_H_INP,
        threads=1,  # a pool of threads would be started for each frame
    )
    frame.pts, frame.time_base = number, 1 / fps
    return frame


def _options(codec: Codec, fps: Fraction, crf: int, threads: int) -> dict[str, str]:
    second = max(1, int(fps))  # frames between those that stand by themselves
    if codec == "h264":
        params = "open-gop=0" + (":asm=AVX2" if _has_avx512() else "")
        return {"crf": str(crf), "g": str(second), "x264-params": params, "threads": str(threads)}
    given = f":pools={threads}:frame-threads=1" if threads else ""
    return {"crf": str(crf), "x265-params": f"keyint={second}:open-gop=0:log-level=error{given}"}


def _has_avx512() -> bool:
    """Return whether x264 must be kept to AVX2, which costs it no time that can be measured.

    Its macroblock tree reads memory that nobody has written when it has AVX-512 and a row is not a multiple of 128
    pixels: the same frames are then other bytes from one encoding to the next.
    """
    from llvmlite.binding import get_host_cpu_features

    return bool(get_host_cpu_features().get("avx512f"))


def _check(fps: float | Fraction, codec: str, crf: int) -> None:
    if codec not in ("h264", "hevc"):
        raise ValueError(f"codec is {codec!r}, wanted 'h264' or 'hevc'")
    if not 1 <= fps <= 240:
        raise ValueError(f"fps is {fps}, wanted 1 to 240 frames in a second")
    if not 0 <= crf <= 51:
        raise ValueError(f"crf is {crf}, wanted 0 (the best) to 51")


def _check_size(width: int, height: int, codec: str) -> None:
    if width % 2 or height % 2:
        raise ValueError(
            f"frames are {width} x {height}, wanted even sizes, as colours have half the resolution: render "
            f"{width + width % 2} x {height + height % 2}"
        )
    if codec == "hevc" and min(width, height) < 16:
        raise ValueError(f"frames are {width} x {height}, wanted 16 or more pixels a side for hevc; h264 takes less")


def _pyav() -> Any:
    try:
        import av
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("videos need PyAV: pip install 'ldm3d-on-ray[immersive]'") from error
    return av
