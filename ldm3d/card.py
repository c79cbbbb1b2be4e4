"""Dataset cards: what a folder of rows holds, where the rows come from, how they were made, and how to open them."""

import hashlib
import json
from typing import Any

from ldm3d.config import flat
from ldm3d.config.places import shown

_DEPTH_SAFELY = """**Depth has 16 bits**, which many calls destroy without a word. These keep them:
`ldm3d.images.decode_depth(row["depth"]["bytes"])`, `numpy.asarray(picture)` where `datasets` or Pillow opened it,
`cv2.imread(file, cv2.IMREAD_UNCHANGED)`, and torchvision's `v2.ToImage()` followed by
`v2.ToDtype(torch.float32, scale=True)`. These do not: `picture.convert("RGB")` or `("L")`, bilinear `picture.rotate`,
`datasets.Image(mode="RGB")`, `cv2.imread` without a flag, torchvision's `to_tensor`, saving JPEG, WebP or AVIF."""


def content_name(content: Any) -> str:
    """Return 16 hex digits for JSON values that change with the content of a folder: the `name` of its card."""
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def dataset_card(summary: dict[str, Any], config: dict[str, Any], depth: dict[str, Any], name: str) -> str:
    """Return the README.md of a corpus, with the front matter by which Hugging Face `datasets` finds its splits.

    Args:
        summary: rows_read, rows_kept, rows_rejected (by reason), rows_not_sampled if a sample left any out, splits
            (rows by split).
        config: the settings that the corpus was made with.
        depth: what is known of the depth labels: model or column, revision, licence, meaning.
        name: unique to this content. `datasets` caches by folder name and front matter, and would mix up two corpora.
    """
    kept, read = summary["rows_kept"], summary["rows_read"]
    size = config["download"]["image_size"]
    codec = {"png": "PNG", "jxl": "JPEG XL (`ldm3d.images.decode_depth` reads it; Pillow does not)"}[
        config["label"]["depth_codec"]
    ]
    return f"""{_front("rgbd", name, summary["splits"])}# RGBD corpus

{kept:,} images with captions and depth, made from {read:,} rows of `{shown(config["input"])}` by LDM3D on Ray,
contract `rgbd/v1`.{" `contact_sheet.png` shows some of them." if kept else ""}

{_splits(summary["splits"])}

## Columns

- `image`: {size} x {size} RGB, JPEG.
- `depth`: the same size, 16-bit, lossless {codec}; **relative inverse depth, larger = nearer**.
- The raw inverse depth is `depth_min + depth / 65535 * (depth_max - depth_min)`.
- `key`: the first 8 bytes of SHA-256(url), signed; `url`, `caption`, `similarity`, `nsfw` from the metadata.
- `original_width`, `original_height`: size of the fetched picture, upright; `sha256`: hash of its bytes;
  `perceptual_hash`: hash of the kept image.

```python
datasets.load_dataset("parquet", data_files="rgbd/train/*.parquet")  # or pandas.read_parquet("rgbd/train")
```

{_DEPTH_SAFELY}

## Depth labels

{_table(depth)}

## Rejected rows

Each is a row of `rejects/` with its URL, stage and reason.{_not_sampled(summary, config)}

{_histogram(summary["rows_rejected"], read)}

## Settings

{_settings(config)}

## Licence

The pictures and captions belong to their owners; the URL of each is in its row. Other columns of the metadata, such as
a licence, are joined by that URL. {_opt_out(config)}
The metadata and the source of depth have their own licences, which extend to what is made from them.
{_licence_of(depth)}
"""


def latents_card(summary: dict[str, Any], config: dict[str, Any], name: str) -> str:
    """Return the README.md of latents.

    Args:
        summary: the content of their success marker.
        config: the settings that they were made with.
        name: unique to this content, as in `dataset_card`.
    """
    kept, shape = summary["rows_kept"], summary["latent_shape"]
    return f"""{_front("latents", name, summary["splits"])}# Latents of an RGBD corpus

Posteriors of the latents of {kept:,} of the {summary["rows_read"]:,} pictures with depth in
`{shown(config["input"])}`, with their captions, encoded by LDM3D on Ray, contract `latents/v1`.
{"`latents.png` shows some of them beside what their latents decode to." if kept else ""}

{_splits(summary["splits"])}

## Columns

- `key`: that of the picture in the corpus; `caption`.
- `flipped`: whether the row is of the picture's mirror image.
- `mean`, `std`: of the latent's distribution, not scaled; {shape} float16, little-endian, C order.
{_about_text(summary["text"])}

```python
rows = pyarrow.parquet.read_table("latents/train/00000.parquet")  # or datasets.load_dataset, or pandas
numpy.frombuffer(rows["mean"][0].as_py(), "<f2").reshape({shape})
```

## Autoencoder

{_table(summary["autoencoder"])}

Latents drawn from the posteriors of train have a standard deviation of {summary["latent_std"]}; a scaling factor of
{summary["scaling_factor_measured"]} would make it 1.

## Rejected rows

{_histogram(summary["rows_rejected"], summary["rows_read"])}

## Settings

{_settings(config)}
"""


def _licence_of(depth: dict[str, Any]) -> str:
    if "depth_column" in depth:
        return f"Depth is that of the metadata's column `{depth['depth_column']}`; its licence is not stated."
    licence = depth.get("depth_model_licence", "not stated")
    return f"The licence of the depth model `{_shown(depth.get('depth_model'))}`: {licence}."


def _opt_out(config: dict[str, Any]) -> str:
    honoured = ", ".join(config["download"]["opt_out_headers"])
    if not honoured:
        return "Opt-out headers were not checked by what was fetched from the web."
    return (
        f"Opt-out headers (X-Robots-Tag: {honoured}; TDM-Reservation) were honoured by what was fetched from the web."
    )


def samples_card(summary: dict[str, Any], config: dict[str, Any], name: str) -> str:
    """Return the README.md of samples. Its splits are the points of the grid.

    Args:
        summary: the content of their success marker.
        config: the settings that they were made with.
        name: unique to this content, as in `dataset_card`.
    """
    points = {point: about["rows"] for point, about in summary["points"].items() if about["rows"]}
    height, width = summary["image_size"]
    captions = summary["captions"]
    models = summary.get("models") or {"model": summary["model"]}
    channels = {about["channels"] for about in models.values()}
    kind, pictures = ("RGB", "pictures") if channels == {3} else ("RGBD", "pictures with depth")
    return f"""{_front("samples", name, points)}# {kind} samples

{summary["rows_kept"]:,} {pictures}, drawn for {captions["drawn"]:,} of the {captions["rows"]:,} captions in
`{shown(config["input"])}` by LDM3D on Ray, contract `samples/v1`. `pictures/` shows some of them.

{_splits(points)}

## Columns

- `image`: {height} x {width} RGB, PNG.
- `depth`: {_about_depth(channels)}
- `key`: that of the caption; `caption`; `image_id`: the picture that it was written for, if the captions have one.
- `number`: index among the caption's samples; `seed`: that of the noise, a function of `key`, `number` and the run's
  seed, the same at all points of the grid.
- `scheduler`, `guidance_scale`, `num_inference_steps`; `checkpoint`: the model's fingerprint.

## Model

{_table(flat(models) if len(models) > 1 else next(iter(models.values())))}

## Rejected rows

Each is a row of `rejects/` with its stage, reason and detail. {captions["rejected"]:,} more, in `rejects/captions/`,
are rows of the input without a caption.

{_histogram(summary["rows_rejected"], summary["rows_read"])}

## Settings

{_settings(config)}
"""


def _about_depth(channels: set[int]) -> str:
    if channels == {3}:
        return "null, as the model draws none."
    some = "; null for models that draw none" if 3 in channels else ""
    return f"the same size, 16-bit PNG; **relative inverse depth, larger = nearer**{some}."


def _about_text(text: dict[str, Any] | None) -> str:
    if text is None:
        return "- `text`: null, as captions were not encoded."
    return f"- `text`: the caption, encoded by the text encoder of {text['base']}; {text['shape']} float16, likewise."


def _front(contract: str, name: str, splits: dict[str, int]) -> str:
    """Return the front matter; none without splits."""
    files = "\n".join(
        f"      - split: {_split_name(split)}\n        path: {contract}/{split}/*.parquet" for split in splits
    )
    return f"---\nconfigs:\n  - config_name: {contract}-{name}\n    data_files:\n{files}\n---\n\n" if files else ""


def _split_name(split: str) -> str:
    """Return the name of a split for `datasets`, which takes no hyphens."""
    return "validation" if split == "val" else split.replace("-", "_")


def _splits(splits: dict[str, int]) -> str:
    return "| split | rows |\n|---|---|\n" + "\n".join(f"| {split} | {rows:,} |" for split, rows in splits.items())


def _not_sampled(summary: dict[str, Any], config: dict[str, Any]) -> str:
    if not (count := summary.get("rows_not_sampled", 0)):
        return ""
    return (
        f"\n{count:,} more rows passed the selection, and `select.sample` {config['select']['sample']} left them out."
    )


def _histogram(rejected: dict[str, int], read: int) -> str:
    """Return a table of reasons, the most common first."""
    if not rejected:
        return "None."
    reasons = sorted(rejected.items(), key=lambda item: (-item[1], item[0]))
    lines = "\n".join(f"| {reason} | {count:,} | {count / max(1, read):.1%} |" for reason, count in reasons)
    return f"| reason | rows | share of all read |\n|---|---|---|\n{lines}"


def _settings(config: dict[str, Any]) -> str:
    """Return a table of the settings, but for the output: it is where the card is."""
    return _table({name: value for name, value in flat(config).items() if name != "output"})


def _table(values: dict[str, Any]) -> str:
    return "| | |\n|---|---|\n" + "\n".join(f"| {name} | `{_shown(value)}` |" for name, value in values.items())


def _shown(value: Any) -> Any:
    """Write a value, or those in a list, without the folders of this machine."""
    if isinstance(value, list):
        return [_shown(each) for each in value]
    return shown(value) if isinstance(value, str) else value
