"""Folders of metadata as publishers, and the programs between them and us, leave them."""

import datetime
import decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from ldm3d.rows.columns import PUBLISHERS

Column = pa.Array | pa.ChunkedArray
URLS = (
    "http://a.example/1.jpg",
    "http://a.example/2.jpg",
    "https://b.example/ö?q=1",
    "ftp://c/",
    "",
    " ",
    "x" * 70_000,
)
URLS += ("http://user:word@d.example/", "\0", "http://[::1/", "data:image/png;base64,AA==", "\ud7ff", "nan")
TEXTS = (
    "a dog",
    "",
    " \t\n",
    "ein großer Hund",
    "a\0b\x1f\u2028c",
    "犬" * 3_000,
    "UNLIKELY",
    "NSFW",
    "unsure",
    "0.5",
    "1e999",
)
TEXTS += ("-1", " 300 ", "nan", "300x200", "12" * 200)
NUMBERS = (0, 1, -1, 300, 512, 2**31, 2**53 + 1)
FLOATS = (0.0, -0.0, 0.05, 0.31, 0.95, 300.0, -1.0, 1e308, float("nan"), float("inf"))
BYTES = (b"http://a.example/1.jpg", b"", b"\xff\xfe", b"a dog", b"\xc3", b"300", b"\x89PNG\r\n\x1a\n")
NAMES = sorted({name for columns in PUBLISHERS.values() for name in columns.names()})
DEPTH, HELD = "own", "image"
PICTURES = pa.struct([("bytes", pa.binary()), ("path", pa.string())])  # as `datasets` has them
EXTRA = (
    DEPTH,
    DEPTH,
    "LANGUAGE",
    "hash",
    "key",
    "SAMPLE_ID",
    "__index_level_0__",
    "pwatermark",
    "reason",
    "damaged",
    "bucket",
    "",
    "a.b",
)
EXTRA += (HELD, HELD, "URL.x", "Url", "url ", "größe", "nsfw_prediction", "file", "rank", "TEXT")


@st.composite
def _cells(draw: st.DrawFn, values: st.SearchStrategy, rows: int) -> list:
    """Up to four values or nulls, over and over."""
    least = min(rows, 1)
    few = draw(st.lists(st.one_of(values, values, values, st.none()), min_size=least, max_size=min(rows, 4)))
    return [few[row % len(few)] for row in range(rows)]


def _numbers(low: int, high: int) -> st.SearchStrategy[int]:
    return st.sampled_from([number for number in (*NUMBERS, low, high) if low <= number <= high])


_TEXTS = st.sampled_from((*URLS, *TEXTS))
_BYTES, _FLOATS = st.sampled_from(BYTES), st.sampled_from(FLOATS)
_DAYS = st.sampled_from((datetime.date(1970, 1, 1), datetime.date(9999, 12, 31)))
_TIMES = st.sampled_from((datetime.datetime(1970, 1, 1), datetime.datetime(2100, 1, 1, 12)))
_DECIMALS = st.sampled_from((decimal.Decimal("0.31"), decimal.Decimal("300.00"), decimal.Decimal("-1.00")))
TYPES = [
    *((kind, _TEXTS) for kind in (pa.string(), pa.large_string(), pa.string_view())),
    *((kind, _BYTES) for kind in (pa.binary(), pa.large_binary(), pa.binary_view())),
    (pa.binary(3), st.sampled_from((b"300", b"\xff\0a"))),
    *((getattr(pa, f"int{bits}")(), _numbers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)) for bits in (8, 16, 32, 64)),
    *((getattr(pa, f"uint{bits}")(), _numbers(0, 2**bits - 1)) for bits in (8, 16, 32, 64)),
    *((kind, _FLOATS) for kind in (pa.float32(), pa.float64())),
    (pa.float16(), st.sampled_from((0.0, 0.5, 300.0, float("nan")))),
    (pa.bool_(), st.booleans()),
    (pa.null(), st.none()),
    (pa.date32(), _DAYS),
    (pa.time64("us"), st.just(datetime.time(12))),
    (pa.timestamp("us"), _TIMES),
    (pa.timestamp("ns", "UTC"), st.just(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))),
    (pa.duration("us"), st.just(datetime.timedelta(1))),
    *((kind(9, 2), _DECIMALS) for kind in (pa.decimal128, pa.decimal256)),
    (pa.list_(pa.string()), st.lists(_TEXTS, max_size=2)),
    (pa.list_(pa.float32(), 2), st.just([1.0, 2.0])),
    (pa.struct([("url", pa.string()), ("x", pa.int32())]), st.just({"url": "http://a.example/", "x": 1})),
    (PICTURES, st.fixed_dictionaries({"bytes": st.one_of(_BYTES, st.none()), "path": st.one_of(_TEXTS, st.none())})),
    (pa.map_(pa.string(), pa.int32()), st.just([("a", 1)])),
    (pa.dictionary(pa.int32(), pa.string()), _TEXTS),
    (pa.dictionary(pa.int8(), pa.large_string()), _TEXTS),
    (pa.dictionary(pa.int16(), pa.binary()), _BYTES),
    (pa.dictionary(pa.int32(), pa.int64()), _numbers(-1, 2**62)),
]


@st.composite
def tables(draw: st.DrawFn) -> list[pa.Table]:
    """One to three tables, often of the same columns."""
    names = draw(_names())
    kinds = [draw(_kind(name)) for name in names]
    found = []
    for _ in range(draw(st.integers(1, 3))):
        each, types = list(names), list(kinds)
        change = draw(st.sampled_from(("no", "no", "no", "order", "extra", "less", "types")))
        if change == "order":
            each, types = each[::-1], types[::-1]
        elif change == "extra":
            each, types = [*each, draw(st.sampled_from(EXTRA))], [*types, draw(st.sampled_from(TYPES))]
        elif change == "less":
            each, types = each[1:], types[1:]
        elif change == "types":
            types = [draw(st.sampled_from(TYPES)) for _ in types]
        rows = draw(st.sampled_from((0, 1, 2, 5, 30)))
        columns = [_column(draw(_cells(values, rows)), kind) for kind, values in types]
        found.append(pa.Table.from_arrays(columns, names=each))
    return found


@st.composite
def _names(draw: st.DrawFn) -> list[str]:
    """Some or all columns of a publisher, and others."""
    publisher = PUBLISHERS[draw(st.sampled_from(list(PUBLISHERS)))]
    names = [publisher.url, publisher.caption]
    names += [name for name in publisher.names()[2:] if draw(st.integers(0, 3))]
    names += draw(st.lists(st.just(DEPTH), max_size=1)) + draw(st.lists(st.sampled_from((*EXTRA, *NAMES)), max_size=3))
    if draw(st.integers(0, 3)):
        names = list(dict.fromkeys(names))  # else some perhaps twice
    return draw(st.permutations(names)) if draw(st.booleans()) else names


@st.composite
def _kind(draw: st.DrawFn, name: str) -> tuple[pa.DataType, st.SearchStrategy]:
    """Most often what a publisher would take."""
    if draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(TYPES))
    if name in (DEPTH, HELD):
        return draw(st.sampled_from([each for each in TYPES if each[0] in (PICTURES, pa.string(), pa.binary())]))
    if any(part in name.lower() for part in ("url", "text", "caption", "nsfw", "safe")) and "score" not in name:
        return pa.string(), _TEXTS
    return draw(st.sampled_from([each for each in TYPES if pa.types.is_floating(each[0]) or each[0] == pa.int64()]))


def _column(values: list, kind: pa.DataType) -> Column:
    if pa.types.is_dictionary(kind):
        return pa.array(values, kind.value_type).dictionary_encode().cast(kind)
    return pa.array(values, kind)


@st.composite
def writers(draw: st.DrawFn) -> dict:
    """How a file is written."""
    return {
        "row_group_size": draw(st.sampled_from((1, 3, 1_000))),
        "compression": draw(st.sampled_from(("none", "snappy", "zstd"))),
        "use_dictionary": draw(st.booleans()),
        "data_page_version": draw(st.sampled_from(("1.0", "2.0"))),
        "store_schema": draw(st.booleans()),
        "write_statistics": draw(st.booleans()),
    }


def write(folder: Path, number: int, table: pa.Table, options: dict, empty_groups: bool) -> None:
    """Write one file; with a row group of no rows before and behind the others, if asked to."""
    size = options["row_group_size"]
    rest = {name: value for name, value in options.items() if name != "row_group_size"}
    with pq.ParquetWriter(folder / f"{number}.parquet", table.schema, **rest) as writer:
        if empty_groups:
            writer.write_table(table.slice(0, 0))
        writer.write_table(table, row_group_size=size)
        if empty_groups:
            writer.write_table(table.slice(0, 0))
