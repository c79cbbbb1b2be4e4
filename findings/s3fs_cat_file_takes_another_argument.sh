#!/usr/bin/env bash
# Expected: cat_file(path, start, end), as fsspec's base class has it, reads that range of a file on any file system.
# Happens: s3fs has a version of the object as its second argument, so what is meant as `start` is that version, `end`
# is the start, and the rest of the file is read. A start of 0 is no version to s3fs, so nothing is said: cat_file(path,
# 0, 100) of 6,144 bytes returns the last 6,044. Any other start is refused, as a version that is no string.
# Why it matters: the first sample of a tar shard, a footer or a header is read this way, by code that was tested on
# local files. Named arguments are safe.
set -euo pipefail
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
"${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -I -m pip install -qq "s3fs==2026.9.0" "fsspec==2026.9.0" "moto[server]==5.2.5"
AWS_ACCESS_KEY_ID=key AWS_SECRET_ACCESS_KEY=secret nice -n 10 "$venv/bin/python" -I - <<'EOF'
import inspect
import logging
import sys

import fsspec
import moto
import s3fs
from fsspec.implementations.memory import MemoryFileSystem
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
print(f"s3fs {s3fs.__version__}, fsspec {fsspec.__version__}, moto {moto.__version__}")
print("guess: cat_file(path, 0, 100) returns the first 100 bytes from both file systems")
content = bytes(range(256)) * 24
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
server.start()
try:
    host, port = server.get_host_and_port()
    s3 = s3fs.S3FileSystem(endpoint_url=f"http://{host}:{port}", use_listings_cache=False)
    s3.mkdir("shards")
    s3.pipe_file("shards/a", content)
    memory = MemoryFileSystem()
    memory.pipe_file("/shards/a", content)
    found = {name: fs.cat_file("shards/a", 0, 100) for name, fs in (("memory", memory), ("s3", s3))}
    named = s3.cat_file("shards/a", start=0, end=100)
    try:
        other = s3.cat_file("shards/a", 50, 100)
    except Exception as error:
        other = error
finally:
    server.stop()
for owner in (MemoryFileSystem.cat_file, s3fs.S3FileSystem._cat_file):
    print(owner.__qualname__, inspect.signature(owner))
print({name: len(each) for name, each in found.items()}, "named:", len(named), "start 50:", repr(other)[:120])

if found["memory"] != content[:100] or named != content[:100]:
    sys.exit("CHANGED: named arguments, or the file system in memory, read another range")
if found["s3"] != content[100:] or not isinstance(other, Exception):
    sys.exit("CHANGED: s3fs no longer takes the first number for a version")
print("as stated: the last 6,044 bytes came in place of the first 100, without an error")
EOF
