"""What passes between stages: pyarrow schemas, the closed list of reject reasons, and the check that a table conforms.

Image columns follow the Hugging Face `datasets` Image convention, struct<bytes, path>, and every file carries the
feature description that `datasets` looks for, so a corpus opens there without a loading script.
"""

import json
from enum import StrEnum
from typing import Any

import pyarrow as pa

IMAGE = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])


class Reason(StrEnum):
    """Why a row was rejected. The list is closed: a new failure needs a new line here and in docs/corpus.md."""

    INVALID_ROW = "invalid_row"  # a null, a wrong type, an empty URL
    NSFW = "nsfw"
    LOW_SIMILARITY = "low_similarity"
    TOO_SMALL = "too_small"
    BAD_ASPECT_RATIO = "bad_aspect_ratio"
    CAPTION_TOO_SHORT = "caption_too_short"
    CAPTION_TOO_LONG = "caption_too_long"
    DUPLICATE_URL = "duplicate_url"
    NOT_SAMPLED = "not_sampled"  # counted, not written: there may be hundreds of millions

    REFUSED_URL = "refused_url"  # not http(s), or not a URL
    REFUSED_ADDRESS = "refused_address"  # private, loopback, link-local, metadata, ...
    DNS_FAILED = "dns_failed"
    CONNECTION_FAILED = "connection_failed"  # refused, reset, TLS
    TIMEOUT = "timeout"
    HTTP_NOT_FOUND = "http_not_found"  # 404, 410
    HTTP_FORBIDDEN = "http_forbidden"  # 401, 402, 403, 451
    HTTP_ERROR = "http_error"  # every other status
    RATE_LIMITED = "rate_limited"  # 429 to the end
    HOST_UNAVAILABLE = "host_unavailable"  # the circuit breaker is open
    OPTED_OUT = "opted_out"  # X-Robots-Tag
    TOO_MANY_REDIRECTS = "too_many_redirects"
    TOO_MANY_BYTES = "too_many_bytes"
    TRUNCATED = "truncated"

    NOT_AN_IMAGE = "not_an_image"
    TOO_MANY_PIXELS = "too_many_pixels"
    DECODE_FAILED = "decode_failed"
    DECODE_TIMEOUT = "decode_timeout"
    DECODER_CRASHED = "decoder_crashed"

    DEPTH_FAILED = "depth_failed"
    DUPLICATE_BYTES = "duplicate_bytes"
    NEAR_DUPLICATE = "near_duplicate"


def _field(name: str, kind: pa.DataType) -> pa.Field:
    """`name?` may be null, every other field may not.

    Images are declared nullable all the same: `datasets` knows them by the exact type. `conform` holds them to it.
    """
    return pa.field(name.rstrip("?"), kind, nullable=name.endswith("?") or kind == IMAGE)


CANDIDATE = pa.schema(  # a metadata row that may become an RGBD row
    [
        _field("key", pa.int64()),  # first 8 bytes of SHA-256(url), big-endian: joins, seeds and splits by it
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
        _field("key", pa.int64()),  # 0 where the row has no URL to take it from
        _field("url", pa.string()),
        _field("stage", pa.string()),  # select, download, decode, label, duplicates
        _field("reason", pa.string()),
        _field("detail?", pa.string()),
    ]
)

CONTRACTS = {"rgbd/v1": RGBD, "reject/v1": REJECT, "candidate/v1": CANDIDATE}


def conform(table: pa.Table, contract: str, metadata: dict[str, Any] | None = None) -> pa.Table:
    """`table` with exactly the columns, order, types and metadata of `contract`.

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
    columns = []
    for column in schema:
        values = table[column.name]
        if values.null_count and (column.type == IMAGE or not column.nullable):
            raise ValueError(f"{contract}: column {column.name} holds {values.null_count} nulls, none are allowed")
        columns.append(values.cast(column.type))
    entries = {"contract": contract, **(metadata or {}), "huggingface": _features(schema)}
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in entries.items()}
    return pa.Table.from_arrays(columns, schema=schema.with_metadata(texts))


def _features(schema: pa.Schema) -> dict[str, Any]:
    """The `datasets` feature description of a schema: images as Image, the rest as plain values."""

    def feature(kind: pa.DataType) -> dict[str, Any]:
        if kind == IMAGE:
            return {"_type": "Image"}
        names = {pa.float32(): "float32", pa.int32(): "int32", pa.int64(): "int64", pa.string(): "string"}
        return {"dtype": names[kind], "_type": "Value"}

    return {"info": {"features": {column.name: feature(column.type) for column in schema}}}
