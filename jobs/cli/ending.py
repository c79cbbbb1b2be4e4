"""How a job ends for a person: what it made, what to look at, and the next commands, with their paths filled in."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jobs.cli.next_commands import (
    after_autoencoder,
    after_corpus,
    after_diffusion,
    after_export,
    after_latents,
    after_place,
    after_samples,
)
from ldm3d.config import stage_of
from ldm3d.fusion.sentences import sentences, sentences_of_many
from ldm3d.results.metrics import METRICS
from ldm3d.results.notation import number, short, validated

SHOWN = 12  # of files that were written
REASONS = 5
EXTENT = {"rows_read": "rows", "shards": "shards", "shards_at_most": "shards at most", "steps": "steps"}
FIRST = ("fid", "kid", "inception_score", "clip", "abs_rel", "rfid", "psnr_db", "depth_abs_rel")  # of metrics
RESULT = "_SUCCESS.json"  # which stages write last


@dataclass(frozen=True)
class Ending:
    """What a person is told."""

    made: str
    """A sentence or two."""
    look_at: Mapping[str, str]
    """What is in a file, by its path."""
    then: list[str]
    """Commands, or a sentence."""

    def __str__(self) -> str:
        width = max(map(len, self.look_at), default=0)
        shown = [f"{path:{width}}  {about}".rstrip() for path, about in self.look_at.items()]
        return "\n".join(["", self.made, *_listed("look at", shown), *_listed("next", self.then), ""])


def ending(config: Any, result: dict[str, Any], *, dry_run: bool) -> str:
    """Return the words for a stage's result, ending with a line break; "" where a training was stopped.

    Args:
        config: as it was given: paths are shown as they were typed.
        result: of the stage. That of a finished output may be of an older version, which said less.
    """
    if dry_run:
        extent = ", ".join(f"{result[name]:,} {words}" for name, words in EXTENT.items() if name in result)
        plan = f"The plan: {extent}. " if extent else ""
        return f"\n{plan}Nothing was written: the same command without --dry-run does the work.\n"
    if result.get("finished") is False:
        return ""
    stage = stage_of(type(config))
    is_known = bool(result.keys() & KNOWN_BY[stage])
    found = ENDINGS[stage](config, result) if is_known else Ending(f"{config.output} is finished.", {}, [])
    return f"{replace(found, look_at={**found.look_at, **_marker(config, stage)})}\n"


def _corpus(config: Any, result: dict[str, Any]) -> Ending:
    out, kept = config.output.rstrip("/"), result["rows_kept"]
    rejected = result.get("rows_rejected", {})
    made = (
        f"{out} holds {kept:,} pictures with depth, of {result['rows_read']:,} rows{_by_name(result.get('splits'))}."
    )
    if rejected:
        made += f" Rejected: {sum(rejected.values()):,}{_most(rejected)}."
    if config.preset == "toy" and config.label.column is None:
        made += " The toy's depth model has seen drawn scenes only: of photographs its depth says little."
    look_at = {f"{out}/rejects": "the rows that were left out, each with its reason"} if rejected else {}
    if result.get("shortage") or not kept:
        return Ending(
            made, look_at, ["Too few pictures were kept: correct input or settings, and give an empty output."]
        )
    sheet = {f"{out}/contact_sheet.png": "some of the pictures, beside their depth"}
    card = {f"{out}/README.md": "what is in it, and how to read it"}
    return Ending(made, sheet | card | look_at, after_corpus(config))


def _autoencoder(config: Any, result: dict[str, Any]) -> Ending:
    out = config.output.rstrip("/")
    made = f"{out}/vae is the autoencoder after {result['steps']:,} steps.{_numbers(result)}"
    pictures = {f"{out}/pictures": "validation pictures beside their reconstructions, by epoch"}
    return Ending(made, pictures | _losses(out), after_autoencoder(config))


def _latents(config: Any, result: dict[str, Any]) -> Ending:
    out, kept = config.output.rstrip("/"), result["rows_kept"]
    made = f"{out} holds the latents of {kept:,} pictures{_by_name(result.get('splits'))}."
    rejected = result.get("rows_rejected", {})
    if rejected:
        made += f" Rejected: {sum(rejected.values()):,}{_most(rejected)}."
    sheet = {f"{out}/latents.png": "pictures, each beside what its latent decodes to"} if kept else {}
    return Ending(made, sheet, after_latents(config) if kept else [])


def _diffusion(config: Any, result: dict[str, Any]) -> Ending:
    out = config.output.rstrip("/")
    made = f"{out}/model is the whole model after {result['steps']:,} steps of its U-Net.{_numbers(result)}"
    drawn = f", {config.shown.num_inference_steps} steps each at guidance {config.shown.guidance_scale:g}"
    pictures = {f"{out}/pictures": f"samples of the same captions, by epoch{drawn}"}
    then = after_diffusion(config, result.get("captions", ()), has_validation=bool(result.get("validation")))
    return Ending(made, pictures | _losses(out), then)


def _export(config: Any, result: dict[str, Any]) -> Ending:
    return Ending(f"{config.output} holds the model of step {result['step']:,}.", {}, after_export(config))


def _samples(config: Any, result: dict[str, Any]) -> Ending:
    if config.prompt is not None:
        return _pictures(result["samples"])
    out, points = config.output.rstrip("/"), result.get("points", {})
    made = f"{out} holds {result['rows_kept']:,} samples, of {result['rows_read']:,}"
    made += f", at {len(points)} points of the grid." if len(points) > 1 else "."
    sheets = {f"{out}/pictures/{name}.png": "some of the samples" for name, each in points.items() if each["rows"]}
    return Ending(made, sheets, after_samples(config) if sheets else [])


def _pictures(samples: list[dict[str, Any]]) -> Ending:
    """Name the files of a prompt."""
    kinds = {"image": "the picture", "depth": "its depth, 16 bits", "both": "both, with depth in colours"}
    files = {each[kind]: about for each in samples for kind, about in kinds.items() if kind in each}
    shown = dict(list(files.items())[:SHOWN])
    more = f" The first {SHOWN}:" if len(files) > SHOWN else ""
    made = f"Pictures of the prompt: {len(samples)}, in {len(files)} files.{more}"
    if lost := sum(not each.get("is_finite", True) for each in samples):
        made += f" Not finite, and so not written: {lost}."
    return Ending(
        made, shown, ["Another --captions.seed draws another picture; --captions.per-caption draws several."]
    )


def _evaluation(config: Any, result: dict[str, Any]) -> Ending:
    out = config.output.rstrip("/")
    about = {"new": "There is no earlier run to compare with"}.get(result["verdict"], f"Verdict: {result['verdict']}")
    first = _measured(result["results"], result.get("surrogate", ()))
    made = f"{first}Numbers in the report: {len(result['results'])}. {about}."
    look_at = {f"{out}/report.html": "all numbers with their errors, figures, protocol", f"{out}/report.md": "as text"}
    then = ["Measure new samples into the same --output: the report then says what got better and what got worse."]
    return Ending(" ".join([made, *result.get("left_out", [])]), look_at, then)


def _places(config: Any, result: dict[str, Any]) -> Ending:
    out = config.output.rstrip("/")
    if config.is_one:
        depth, page = result["depth"], {f"{out}/index.html": "the place, to be opened in a browser"}
        reach = f"{depth['nearest_m']:g} to {depth['farthest_m']:g} m from the eye"
        made = f"{out} is the place, {reach}: {len(result['files'])} files."
        return Ending("\n".join([made, *sentences(depth)]), page, [after_place(config)])
    made = f"{out} holds {result['rows_kept']:,} places, of {result['rows_read']:,} pictures."
    rejected = result.get("rows_rejected", {})
    if rejected:
        made += f" Rejected: {sum(rejected.values()):,}{_most(rejected)}."
    look_at = {f"{out}/index.html": "places to choose from, in a browser"}
    if rejected:
        look_at[f"{out}/rejects"] = "the pictures that were left out, each with its reason"
    return Ending("\n".join([made, *sentences_of_many(result.get("depth", {}))]), look_at, [])


def _service(config: Any, result: dict[str, Any]) -> Ending:
    return Ending(f"Served for {result['seconds']:,.0f} s.", {}, [])


ENDINGS: dict[str, Callable[[Any, dict[str, Any]], Ending]] = {
    "rebuild_corpus": _corpus,
    "train_autoencoder": _autoencoder,
    "encode_latents": _latents,
    "train_diffusion": _diffusion,
    "export": _export,
    "generate": _samples,
    "evaluate": _evaluation,
    "depth_fusion": _places,
    "serve": _service,
}
KNOWN_BY: dict[str, set[str]] = {
    "rebuild_corpus": {"rows_kept"},
    "train_autoencoder": {"steps"},
    "encode_latents": {"rows_kept"},
    "train_diffusion": {"steps"},
    "export": {"step"},
    "generate": {"rows_kept", "samples"},
    "evaluate": {"verdict"},
    "depth_fusion": {"rows_kept", "files"},
    "serve": {"address"},
}
"""What is in the result of a stage that did its work, or had done it before."""


def _most(rejected: Mapping[str, int]) -> str:
    """Name the commonest reasons."""
    first = dict(sorted(rejected.items(), key=lambda item: -item[1])[:REASONS])
    return _by_name(first) if len(first) == len(rejected) else f"{_by_name(first)[:-1]} ...)"


def _marker(config: Any, stage: str) -> dict[str, str]:
    """Name the file of the result, which is printed only where --json asks for it."""
    has_none = stage == "export" or (stage == "generate" and config.prompt is not None)
    has_none |= stage == "serve" or (stage == "depth_fusion" and config.is_one)
    return {} if has_none else {f"{config.output.rstrip('/')}/{RESULT}": "the result in full, which --json prints"}


def _losses(out: str) -> dict[str, str]:
    return {f"{out}/losses.png": "how losses fell, by step"}


def _numbers(result: dict[str, Any]) -> str:
    """Name the numbers of the last validation."""
    found = ", ".join(validated(name, value) for name, value in result.get("validation", {}).items())
    return f" Validation: {found}." if found else ""


def _measured(results: list[dict[str, Any]], surrogate: Collection[str]) -> str:
    """Write the numbers that a report begins with, a line for each set; "" where there are none.

    Args:
        surrogate: metrics whose network stands in for the published one.
    """
    lines: dict[str, list[str]] = {}
    for each in results:
        if each["metric"] in FIRST and each["value"] is not None:
            about = METRICS[each["metric"]]
            stands_in = " (surrogate)" if each["metric"] in surrogate else ""
            found = f"{short(each['metric'], each['num_samples'])}{stands_in} {number(each['value'], about.digits)}"
            lines.setdefault(each["pictures"], []).append(found)
    shown = [f"{name}: {', '.join(found)}" for name, found in list(lines.items())[:SHOWN]]
    return "".join(f"{line}\n" for line in shown)


def _by_name(counts: Mapping[str, int] | None) -> str:
    return f" ({', '.join(f'{name} {count:,}' for name, count in counts.items())})" if counts else ""


def _listed(heading: str, lines: list[str]) -> list[str]:
    """Put a heading before the first line, and the others below it."""
    return [f"{heading if place == 0 else '':8} {line}" for place, line in enumerate(lines)]
