"""A corpus without rows, or nearly without, says why and what to do about it."""

import re

import pyarrow as pa
import pytest

from jobs.command import parse
from ldm3d.config import CorpusConfig
from ldm3d.reject import Reason
from ldm3d.schema import reject_rows
from pipelines.corpus.plan import Plan
from pipelines.corpus.remedies import REMEDIES
from pipelines.corpus.shortage import shortage
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Record, Shard

NOT_OF_A_CORPUS = {Reason.NOT_SAMPLED, Reason.ENCODE_FAILED, Reason.GENERATE_FAILED, Reason.RENDER_FAILED}


def said(
    folder, kept: int, details: list[str], selected_out: dict[str, int] | None = None, reasons: list[str] | None = None
) -> str | None:
    """What is said of a corpus of one shard, whose rejected rows have these details and reasons."""
    output, rejected = Folder(str(folder)), selected_out or {}
    rows, reasons = kept + len(details), reasons or ["refused_address"] * len(details)
    if details:
        keys = pa.array(range(len(details)), pa.int64())
        output.write_tables("rejects/train/00000.parquet", [reject_rows(keys, "download", reasons, details)])
    records = [Record.of("train-00000", rows, kept, reasons)] if rows else []
    shards = [Shard(record.name, "", 0, record.rows) for record in records]
    return shortage(output, Plan(shards, rows + sum(rejected.values()), rejected), records)


def test_a_corpus_without_rows_names_reason_detail_and_remedy(tmp_path):
    line = said(tmp_path, 0, ["not public: 10.0.0.9", "not public: 127.0.0.1", "not public: 127.0.0.1"])
    assert line is not None
    assert line.startswith(
        "of 3 rows that were tried, 0 were kept; 3 were rejected as refused_address: not public: 127.0.0.1. "
    )
    assert "--download.allow-addresses" in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("kept", "lost", "is_short"), [(1, 199, True), (2, 198, False), (1, 98, False), (0, 1, True), (1, 0, False)]
)
def test_a_share_below_one_percent_of_a_hundred_rows_is_too_few(tmp_path, kept, lost, is_short):
    assert (said(tmp_path, kept, ["not public: 127.0.0.1"] * lost) is not None) == is_short


def test_rows_that_the_selection_leaves_out_are_no_failure(tmp_path):
    assert said(tmp_path, 5, [], {"low_similarity": 1_000_000, "not_sampled": 1_000_000}) is None


def test_where_the_selection_leaves_out_every_row_its_rule_is_named(tmp_path):
    line = said(tmp_path, 0, [], {"nsfw": 7, "too_small": 2})
    assert line == (
        "no row passes --select; 7 were rejected as nsfw. --select.nsfw names the words that pass, and "
        "`--select.nsfw any` takes every row"
    )


def test_the_detail_of_a_rule_is_told_and_rows_of_earlier_versions_have_none(tmp_path):
    output = Folder(str(tmp_path))
    details = [*["nsfw is NSFW, wanted UNLIKELY"] * 2, "nsfw is unknown, wanted UNLIKELY", None, None, None, "other"]
    rows = reject_rows(pa.array(range(7), pa.int64()), "select", ["nsfw"] * 6 + ["too_small"], details)
    output.write_tables("rejects/select/00000.parquet", [rows])
    line = said(tmp_path, 0, [], {"nsfw": 6, "too_small": 1})
    assert line is not None
    assert line.startswith("no row passes --select; 6 were rejected as nsfw: nsfw is NSFW, wanted UNLIKELY. --select")


@pytest.mark.parametrize(
    ("counts", "named"),
    [
        ({"timeout": 3, "not_an_image": 3}, ["not_an_image", "timeout"]),
        ({"timeout": 2, "not_an_image": 4, "file_not_found": 1}, ["not_an_image"]),
        ({"timeout": 2, "not_an_image": 3, "file_not_found": 1}, ["not_an_image", "timeout"]),
        ({"timeout": 1, "not_an_image": 1, "file_not_found": 1}, ["file_not_found", "not_an_image", "timeout"]),
        ({"timeout": 1, "not_an_image": 1, "file_not_found": 1, "dns_failed": 1}, ["dns_failed"]),
    ],
)
def test_every_reason_of_a_third_of_the_rejects_is_named_with_detail_and_remedy(tmp_path, counts, named):
    reasons = [reason for reason, count in counts.items() for _ in range(count)]
    line = said(tmp_path, 0, [f"the detail of {reason}" for reason in reasons], reasons=reasons)
    assert line is not None
    told = re.findall(r"(\d) were rejected as (\w+): the detail of (\w+)\. ", line)
    assert told == [(str(counts[reason]), reason, reason) for reason in named]
    for reason in named:
        assert REMEDIES[Reason(reason)][1:] in line
    assert "\n" not in line


def test_every_reason_has_a_remedy_and_every_flag_in_one_exists(capsys):
    assert REMEDIES.keys() == set(Reason) - NOT_OF_A_CORPUS
    with pytest.raises(SystemExit):
        parse(CorpusConfig, ["--help"])
    shown = set(re.findall(r"--[a-z][\w.-]*", capsys.readouterr().out))
    flags = {flag for remedy in REMEDIES.values() for flag in re.findall(r"--[a-z][\w.-]*\w", remedy)}
    assert flags <= shown
