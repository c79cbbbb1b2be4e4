"""The tables that pass between stages: pyarrow schemas, and the check that a table conforms to one.

Image columns follow the Hugging Face `datasets` Image convention, struct<bytes, path>, and every file carries the
feature description that `datasets` looks for, so a corpus opens there without a loading script.
"""

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

IMAGE = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])


def _field(name: str, kind: pa.DataType) -> pa.Field:
    """Make a field. `name?` may be null, every other field may not.

    Images are declared nullable nevertheless, because `datasets` recognises them by the exact type. `conform` refuses
    nulls in them, except in `NULL_IMAGES`.
    """
    return pa.field(name.rstrip("?"), kind, nullable=name.endswith("?") or kind == IMAGE)


CANDIDATE = pa.schema(  # metadata rows that may become RGBD rows
    [
        _field("key", pa.int64()),  # first 8 bytes of SHA-256(url), big-endian: for joins, seeds and splits
        _field("url", pa.string()),
        _field("caption", pa.string()),
        _field("split", pa.string()),
        _field("similarity?", pa.float32()),
        _field("nsfw?", pa.string()),
    ]
)

RGBD = pa.schema(
    [
        _field("key", pa.int64()),
        _field("url", pa.string()),
        _field("caption", pa.string()),
        _field("image", IMAGE),  # S x S RGB, JPEG
        _field("depth", IMAGE),  # S x S uint16, lossless; larger = nearer
        _field("depth_min", pa.float32()),  # the raw inverse depth that 0 stands for
        _field("depth_max", pa.float32()),  # the raw inverse depth that 65,535 stands for
        _field("original_width", pa.int32()),  # pixels, after EXIF orientation
        _field("original_height", pa.int32()),
        _field("sha256", pa.string()),  # of the fetched bytes, hex
        _field("perceptual_hash", pa.int64()),  # 64-bit DCT hash of the kept image
        _field("similarity?", pa.float32()),
        _field("nsfw?", pa.string()),
        _field("split", pa.string()),
    ]
)

REJECT = pa.schema(
    [
        _field("key", pa.int64()),  # 0 if the row has no URL to derive it from
        _field("url", pa.string()),  # "" for captions
        _field(
            "stage", pa.string()
        ),  # select, download, decode, label, duplicates, encode; captions, generate; evaluate; depth_fusion
        _field("reason", pa.string()),
        _field("detail?", pa.string()),
    ]
)

LATENTS = pa.schema(
    [
        _field("key", pa.int64()),  # of the picture
        _field("caption", pa.string()),
        _field("flipped", pa.bool_()),  # whether the row is of the picture's mirror image
        # of the posterior, not scaled: float16, little-endian, C order, in the shape [c, h, w] of `latent_shape` in
        # the file's metadata
        _field("mean", pa.binary()),
        _field("std", pa.binary()),
        # if captions were encoded: float16, little-endian, C order, in the shape [L, D] of `text_shape`
        _field("text?", pa.binary()),
    ]
)

SAMPLES = pa.schema(
    [
        _field("key", pa.int64()),  # of the caption
        _field("caption", pa.string()),
        _field("number", pa.int32()),  # which of the caption's samples, from 0
        _field("seed", pa.int64()),  # of its noise, 32 bits: a function of key, number and the run's seed
        _field("guidance_scale", pa.float64()),
        _field("num_inference_steps", pa.int32()),
        _field("scheduler", pa.string()),  # as named in the settings
        _field("checkpoint", pa.string()),  # fingerprint of the model, hex
        _field("image_id?", pa.int64()),  # of the picture that the caption was written for
        _field("image", IMAGE),  # H x W RGB, PNG
        # H x W uint16, PNG; relative inverse depth, larger = nearer; null if the model draws none
        _field("depth", IMAGE),
    ]
)

METRICS = pa.schema(  # long form: one number per row
    [
        _field("run", pa.string()),  # hex
        _field("started", pa.string()),  # of the run, ISO 8601 with time zone
        _field("pictures", pa.string()),  # the set: its name in the settings, then the point of its grid
        _field("checkpoint?", pa.string()),  # fingerprint of the model that drew it, hex
        _field("training_step?", pa.int64()),  # of that model, if known
        _field("scheduler?", pa.string()),
        _field("guidance_scale?", pa.float64()),
        _field("num_inference_steps?", pa.int32()),
        _field("metric", pa.string()),  # a name in `ldm3d.results.metrics`
        _field("value", pa.float64()),
        _field("stderr?", pa.float64()),  # standard error of the value
        _field("std?", pa.float64()),  # of the values averaged: samples, splits of inception_score, subsets of kid
        _field("num_samples", pa.int64()),  # pictures that it was computed from
        _field("excluded", pa.int64()),  # pictures of the set that could not be used
        _field("protocol", pa.string()),  # hash of `config`: numbers of one protocol are comparable
        _field("config", pa.string()),  # JSON: everything but the pictures themselves that decides the number
    ]
)

PLACES = pa.schema(  # panoramas that became folders of files
    [
        _field("key", pa.int64()),  # of the panorama: its caption's, or a hash of its file's name
        _field("number", pa.int32()),  # which of the caption's samples; 0 for files
        _field("title", pa.string()),  # a caption, or the name of the file
        _field("source", pa.string()),  # the panorama's file, relative to the input; with a row, FILE:ROW
        _field("folder", pa.string()),  # of its files, relative to the output
        _field("width", pa.int32()),  # pixels
        _field("height", pa.int32()),
        _field("nearest", pa.float64()),  # metres along the ray
        _field("farthest", pa.float64()),
        _field("files", pa.string()),  # JSON: bytes of each file, by its name
        _field("depth", pa.string()),  # JSON: what depth means, as `place.json` has it
    ]
)

CONTRACTS = {
    "rgbd/v1": RGBD,
    "reject/v1": REJECT,
    "candidate/v1": CANDIDATE,
    "latents/v1": LATENTS,
    "samples/v1": SAMPLES,
    "metrics/v1": METRICS,
    "places/v1": PLACES,
}

NULL_IMAGES = {"samples/v1": ("depth",)}  # image columns that may be null nevertheless, by contract


def conform(table: pa.Table, contract: str, metadata: dict[str, Any] | None = None) -> pa.Table:
    """Return `table` with exactly the columns, order, types and metadata of `contract`.

    Args:
        table: at least the contract's columns; others are dropped.
        contract: a name in `CONTRACTS`.
        metadata: provenance to store beside the contract's name; values that are not strings become JSON.

    Raises:
        ValueError: a column is missing, cannot be cast, or holds a null that the contract does not allow.
    """
    schema = CONTRACTS[contract]
    if missing := [name for name in schema.names if name not in table.column_names]:
        raise ValueError(f"{contract} needs the columns {missing}, got {table.column_names}")
    columns, allowed = [], NULL_IMAGES.get(contract, ())
    for column in schema:
        values = table[column.name]
        is_strict = column.name not in allowed and (column.type == IMAGE or not column.nullable)
        if values.null_count and is_strict:
            raise ValueError(f"{contract}: column {column.name} holds {values.null_count} nulls, none are allowed")
        columns.append(values.cast(column.type))
    entries = {"contract": contract, **(metadata or {}), "huggingface": _features(schema)}
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in entries.items()}
    return pa.Table.from_arrays(columns, schema=schema.with_metadata(texts))


def reject_rows(
    keys: pa.Array | pa.ChunkedArray,
    stage: str,
    reasons: Sequence[str],
    details: Sequence[str],
    urls: pa.ChunkedArray | None = None,
) -> pa.Table:
    """Make N rows of `reject/v1`.

    Args:
        keys, reasons, details: N.
        urls: N; None for rows that have none.
    """
    count = len(reasons)
    columns = {
        "key": keys,
        "url": [""] * count if urls is None else urls,
        "stage": [stage] * count,
        "reason": [str(reason) for reason in reasons],
        "detail": details,
    }
    return conform(pa.table(columns), "reject/v1")


def _features(schema: pa.Schema) -> dict[str, Any]:
    """Return the `datasets` feature description of a schema: images as Image, the rest as plain values."""

    def feature(kind: pa.DataType) -> dict[str, Any]:
        if kind == IMAGE:
            return {"_type": "Image"}
        names = {pa.float32(): "float32", pa.float64(): "float64", pa.bool_(): "bool"}  # Arrow says float and double
        name = names.get(kind, str(kind))
        return {"dtype": name, "_type": "Value"}

    return {"info": {"features": {column.name: feature(column.type) for column in schema}}}
