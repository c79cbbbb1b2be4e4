"""The dataset card: what a corpus holds, where it comes from, how it was made, and how to open it."""

from typing import Any


def dataset_card(summary: dict[str, Any], config: dict[str, Any], depth: dict[str, Any], name: str) -> str:
    """The README.md of a corpus, with the front matter by which Hugging Face `datasets` finds its splits.

    Args:
        summary: rows_read, rows_kept, rows_rejected (by reason), splits (rows by split).
        config: the settings that the corpus was made with.
        depth: what is known of the depth labels: model, revision, meaning.
        name: of this very content. `datasets` caches by folder name and front matter, and two corpora would be one.
    """
    files = "\n".join(
        f"      - split: {'validation' if split == 'val' else split}\n        path: rgbd/{split}/*.parquet"
        for split in summary["splits"]
    )
    kept, read = summary["rows_kept"], summary["rows_read"]
    splits = "\n".join(f"| {split} | {rows:,} |" for split, rows in summary["splits"].items())
    reasons = sorted(summary["rows_rejected"].items(), key=lambda item: (-item[1], item[0]))
    histogram = "\n".join(f"| {reason} | {count:,} | {count / max(1, read):.1%} |" for reason, count in reasons)
    size = config["download"]["image_size"]
    codec = {"png": "PNG", "jxl": "JPEG XL (`ldm3d.images.decode_depth` reads it; Pillow does not)"}[
        config["label"]["depth_codec"]
    ]
    front = f"---\nconfigs:\n  - config_name: rgbd-{name}\n    data_files:\n{files}\n---\n\n" if files else ""
    return f"""{front}# RGBD corpus

{kept:,} images with captions and depth, made from {read:,} rows of `{config["input"]}` by LDM3D on Ray,
contract `rgbd/v1`.{" `contact_sheet.png` shows some of them." if kept else ""}

| split | rows |
|---|---|
{splits}

## Columns

- `image`: {size} x {size} RGB, JPEG.
- `depth`: the same size, 16-bit, lossless {codec}; **relative inverse depth, larger = nearer**.
- The model's raw inverse depth is `depth_min + depth / 65535 * (depth_max - depth_min)`.
- `key`: the first 8 bytes of SHA-256(url), signed; `url`, `caption`, `similarity`, `nsfw` from the metadata.
- `original_width`, `original_height` of the fetched picture, upright; `sha256` of its bytes; `perceptual_hash`.

```python
datasets.load_dataset("parquet", data_files="rgbd/train/*.parquet")  # or pandas.read_parquet("rgbd/train")
```

## Depth labels

{_table(depth)}

## Rejected rows

Each is a row of `rejects/` with its URL, stage and reason (rows left out by sampling are counted only).

| reason | rows | share of all read |
|---|---|---|
{histogram}

## Settings

{_table(_flat(config))}

## Licence

The pictures and captions belong to their owners; the URL of each is in its row. Opt-out headers were honoured when
they were fetched. The metadata and the depth model have licences of their own, which pass on to what is made of them.
"""


def _flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}"""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def _table(values: dict[str, Any]) -> str:
    return "| | |\n|---|---|\n" + "\n".join(f"| {name} | `{value}` |" for name, value in values.items())
