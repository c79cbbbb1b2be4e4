"""`ldm3d-on-ray STAGE ...` is `python -m jobs.STAGE ...`, from any folder."""

import ast
import difflib
import os
import runpy
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAM = "ldm3d-on-ray"
STAGES = (
    "rebuild_corpus",
    "train_autoencoder",
    "encode_latents",
    "train_diffusion",
    "export",
    "generate",
    "evaluate",
    "depth_fusion",
    "serve",
    "demo",
)
REFUSED = 2  # as of the stages


def main() -> None:
    """Run the stage that the command line names, or list them all. Exits as the stage does, or with 2 if there is none
    of that name."""
    given = sys.argv[1:]
    if not given or given[0] in ("-h", "--help", "help"):
        print(_help(), file=sys.stdout if given else sys.stderr)
        sys.exit(0 if given else REFUSED)
    if given[0] == "--version":
        from importlib.metadata import version

        print(f"{PROGRAM} {version(PROGRAM)}")
        return
    stage = given[0].replace("-", "_")
    if stage not in STAGES:
        print(_refusal(given[0]), file=sys.stderr)
        sys.exit(REFUSED)
    _run(stage, given[1:])


def code() -> Path:
    """Return the folder that holds `jobs` and `pipelines`: part of the wheel, or the checkout."""
    installed = HERE / "_code"
    return installed if installed.is_dir() else HERE.parent


def _run(stage: str, arguments: list[str]) -> None:
    """Run `jobs.<stage>` as a script, with its code on the path of this process and of the workers that it starts."""
    here = str(code())
    sys.path.insert(0, here)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    # Its folder is one that Ray hands to workers of other clusters on this machine; its name is for messages, and for
    # `jobs.cli.program`, which knows the command by it.
    sys.argv = [f"{here}/{PROGRAM} {stage}", *arguments]
    runpy.run_module(f"jobs.{stage}", run_name="__main__")


def _help() -> str:
    wide = max(map(len, STAGES))
    lines = "\n".join(f"  {stage:{wide}}  {_first_line(stage)}" for stage in STAGES)
    return (
        f"usage: {PROGRAM} STAGE [FLAGS]\n\n"
        "Text to image and depth, on Ray: corpus, training, generation, evaluation, places, a service."
        f"\n\n{lines}\n\n{PROGRAM} STAGE --help lists the flags of a stage."
    )


def _first_line(stage: str) -> str:
    """Return what a stage says it does, read without importing it, which takes seconds."""
    jobs = code() / "jobs"
    file = jobs / f"{stage}.py" if (jobs / f"{stage}.py").is_file() else jobs / stage / "__main__.py"
    about = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return about.partition("\n")[0]


def _refusal(given: str) -> str:
    close = difflib.get_close_matches(given.replace("-", "_"), STAGES, n=1)
    meant = f" (did you mean {close[0]}?)" if close else ""
    return (
        f"error: {given!r} is no stage{meant}: wanted one of {', '.join(STAGES)}; {PROGRAM} --help says what they do"
    )


if __name__ == "__main__":
    main()
