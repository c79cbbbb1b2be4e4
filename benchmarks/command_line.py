"""The cost of `--help` and of a refused flag, for every job, against an older checkout.

    PYTHONPATH=. python -m benchmarks.command_line --older ../older-checkout

Each command runs in its own process, ours and the older one's in turns. CPU seconds, user and system.
"""

import os
import resource
import subprocess
import sys
from pathlib import Path
from statistics import median

from benchmarks.measure import ENVIRONMENT, Ratio, arguments, save

ROOT = Path(__file__).parents[1]
ASKED = {"--help": ["--help"], "a refused flag": ["--output", "out", "--no-such-flag"]}


def cpu_s(checkout: Path, job: str, flags: list[str]) -> float:
    """Run one command and return its CPU seconds.

    Raises:
        RuntimeError: it exited with another code than help (0) or a refusal (2).
    """
    before = _children_cpu_s()
    done = subprocess.run(
        [sys.executable, "-m", f"jobs.{job}", *flags],
        cwd=checkout,
        env=os.environ | ENVIRONMENT | {"PYTHONPATH": str(checkout)},
        capture_output=True,
    )
    if done.returncode != (0 if flags == ["--help"] else 2):
        raise RuntimeError(f"{job} {flags} exited with {done.returncode}: {done.stderr.decode()[-500:]}")
    return _children_cpu_s() - before


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    asked = arguments(__doc__, older="", repeats=3)
    jobs = sorted(file.stem for file in (ROOT / "jobs").glob("*.py") if file.stem not in ("__init__", "command"))
    checkouts = [ROOT] + ([Path(asked.older).resolve()] if asked.older else [])
    results = {}
    for job in jobs:
        for name, flags in ASKED.items():
            taken = [[cpu_s(checkout, job, flags) for checkout in checkouts] for _ in range(asked.repeats)]
            ours = [each[0] for each in taken]
            found = {"cpu_s": median(ours)}
            line = f"{job} {name}: {found['cpu_s']:.2f} s of CPU"
            if asked.older:
                older = [each[1] for each in taken]
                ratio = Ratio.of([1 / each for each in ours], [1 / each for each in older])
                found |= {"older_cpu_s": median(older), "ratio": ratio}
                line += f", older {found['older_cpu_s']:.2f} s, {ratio} times as fast"
            print(line, flush=True)
            results[f"{job} {name}"] = found
    save("command_line", {"commands": results})


if __name__ == "__main__":
    main()
