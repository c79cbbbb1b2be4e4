"""Parts of a recovery trial, here and in tests: the entry point as a process, and the rows of a corpus."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ldm3d.config import CorpusConfig

ROOT = Path(__file__).parents[1]


def rows_of(corpus: Path) -> dict[str, list[dict[str, Any]]]:
    """Return all rows by contract, sorted by key: everything but the names of files."""
    found = {}
    for contract in ("rgbd", "rejects"):
        files = sorted((corpus / contract).rglob("*.parquet"))
        rows = [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]
        found[contract] = sorted(rows, key=lambda row: (row["key"], row["url"], row.get("reason", "")))
    return found


def markers(corpus: Path) -> dict[str, int]:
    """Return the finished shards, and the time when each was finished."""
    return {file.name: file.stat().st_mtime_ns for file in (corpus / "_state/shards").glob("*.json")}


def start_driver(config: CorpusConfig, address: str) -> "subprocess.Popen[bytes]":
    """Start the real entry point as a process, on the cluster at `address`."""
    flags = {
        "--input": config.input,
        "--output": config.output,
        "--cluster.address": address,
        "--label.depth-model": config.label.depth_model,
        "--download.allow-addresses": "127.0.0.1",
        "--download.per-host": str(config.download.per_host),
        "--shards.rows": str(config.shards.rows),
        "--shards.row-group-rows": str(config.shards.row_group_rows),
    }
    words = [word for pair in flags.items() for word in pair]
    command = [sys.executable, "-m", "jobs.rebuild_corpus", "--preset", "toy", *words]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
