"""Pages that show places: of one with its files, and of many. No script runs in them; the viewer is a page in a frame.

All that was given from outside is text: none of it becomes markup.
"""

import html
from collections.abc import Iterable, Mapping
from typing import Any

from ldm3d.fusion.labels import labelled
from ldm3d.fusion.sentences import sentences

STYLE = """
:root { color-scheme: light dark; --soft: #59636e; --line: #c4ccd4; }
@media (prefers-color-scheme: dark) { :root { --soft: #a5aeb8; --line: #3d444d; } }
body { margin: 0 auto; padding: 16px; max-width: 76rem; font: 16px/1.5 system-ui, sans-serif;
  overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
iframe { width: 100%; height: min(70vh, 42rem); border: 1px solid var(--line); border-radius: 8px; }
img, video { width: 100%; height: auto; border-radius: 6px; display: block; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); gap: 16px; }
figure { margin: 0; } figcaption, .soft { color: var(--soft); font-size: .9rem; }
table { border-collapse: collapse; width: 100%; } td { padding: 4px 12px 4px 0; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { padding: 4px 12px 4px 0; text-align: left; } td:first-child { min-width: 9em; }
.files td:nth-child(2) { white-space: nowrap; text-align: right; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; } dd { margin: 0; }
""".strip()
PICTURES, FILMS, VIEWER = (".jpg", ".png"), (".mp4",), "viewer.html"
ALLOWED = ("xr-spatial-tracking", "fullscreen", "accelerometer", "gyroscope")  # to a file, which has no origin
WHOLE = (
    "panorama.png",
    "panorama-depth.png",
    "picture.png",
    "picture-depth.png",
    "distance_kitti.png",
)  # large, or dark: their previews are shown


def place_page(facts: Mapping[str, Any], sizes: Mapping[str, int]) -> str:
    """Return the page of a place.

    Args:
        facts: title, width, height; depth: what it means; files: what each is, by its name.
        sizes: of the files, in bytes.
    """
    files, title = facts["files"], facts["title"] or "A place"
    parts = [f"<h1>{_text(title)}</h1>", _line(facts)]
    if VIEWER in files:
        allowed = "; ".join(f"{name} *" for name in ALLOWED)
        parts.append(f'<iframe src="{VIEWER}" title="{_text(title)}" allow="{allowed}" allowfullscreen></iframe>')
        parts.append(f'<p class="soft"><a href="{VIEWER}">The viewer alone</a>, which a headset wants.</p>')
    shown = [name for name in files if name.endswith(PICTURES) and name not in WHOLE]
    parts.append(f'<div class="grid">{"".join(_picture(name, files[name]) for name in shown)}</div>')
    if films := [name for name in files if name.endswith(FILMS)]:
        parts.append("<h2>Films</h2>")
        parts.append(f'<div class="grid">{"".join(_film(name, files[name]) for name in films)}</div>')
    rows = (_row(name, sizes[name], about) for name, about in files.items())
    parts += ["<h2>Files</h2>", f'<table class="files">{"".join(rows)}</table>', "<h2>What depth means</h2>"]
    parts += [f"<p>{_text(said)}</p>" for said in sentences(facts["depth"])]
    entries = (f"<dt>{_text(label)}</dt><dd>{_text(said)}</dd>" for label, said in labelled(facts["depth"]).items())
    parts.append(f"<dl>{''.join(entries)}</dl>")
    return _page(title, parts)


def gallery_page(
    title: str,
    about: Iterable[str],
    places: Iterable[tuple[str, str, str]],
    left_out: Iterable[tuple[str, str, str]] = (),
    about_left_out: str = "",
) -> str:
    """Return the page of many places.

    Args:
        title: of the page.
        about: paragraphs.
        places: of each its folder, relative to the page, its title, and what is known of it.
        left_out: pictures that are no places: of each its name, why in a few words, and what was found.
        about_left_out: a sentence or two above these.
    """
    tiles = (
        f'<figure><a href="{_text(folder)}/index.html"><img loading="lazy" src="{_text(folder)}/preview.jpg" '
        f'alt="{_text(name)}"></a><figcaption>{_text(name)}<br>{_text(known)}</figcaption></figure>'
        for folder, name, known in places
    )
    parts = [f"<h1>{_text(title)}</h1>", *(f"<p>{_text(each)}</p>" for each in about)]
    parts.append(f'<div class="grid">{"".join(tiles)}</div>')
    if rows := ["".join(f"<td>{_text(each)}</td>" for each in row) for row in left_out]:
        parts += ["<h2>Left out</h2>", f"<p>{_text(about_left_out)}</p>"]
        head = "<tr><th>Picture</th><th>Why</th><th>What was found</th></tr>"
        parts.append(f"<table>{head}{''.join(f'<tr>{row}</tr>' for row in rows)}</table>")
    return _page(title, parts)


def _page(title: str, parts: Iterable[str]) -> str:
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"script-src 'none'; object-src 'none'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{_text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _line(facts: Mapping[str, Any]) -> str:
    depth = facts["depth"]
    nearest, farthest = depth["nearest_m"], depth["farthest_m"]
    size = f"{facts['width']:,} x {facts['height']:,} pixels"
    return f'<p class="soft">{size}; {nearest:g} to {farthest:g} m from the eye.</p>'


def _row(name: str, size: int, about: str) -> str:
    link = f'<a href="{_text(name)}">{_text(name)}</a>'
    return f"<tr><td>{link}</td><td>{_size(size)}</td><td>{_text(about)}</td></tr>"


def _picture(name: str, about: str) -> str:
    file = _text(name)
    return (
        f'<figure><a href="{file}"><img loading="lazy" src="{file}" alt="{_text(about)}"></a>'
        f"<figcaption>{_text(about)}</figcaption></figure>"
    )


def _film(name: str, about: str) -> str:
    return (
        f'<figure><video controls loop muted preload="metadata" src="{_text(name)}"></video>'
        f"<figcaption>{_text(about)}</figcaption></figure>"
    )


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def _text(text: str) -> str:
    """Return text as markup that shows it, without what no file in UTF-8 can hold."""
    return html.escape(text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}"))
