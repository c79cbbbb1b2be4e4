"""What was measured -> the rows of `metrics/v1`."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

import ray

from ldm3d.results.evaluation import Result
from ldm3d.results.metrics import METRICS
from pipelines.evaluation.feature_rows import Chosen
from pipelines.evaluation.measured import Measured
from pipelines.evaluation.measured_features import MeasuredSet
from pipelines.evaluation.networks import DEPTH, FEATURES, SIMILARITY
from pipelines.evaluation.plan import EvaluatePlan
from pipelines.evaluation.protocol import DRAWN_BY, RECONSTRUCTED, protocol_hash, protocol_of
from pipelines.evaluation.scores import Score, frechet, gaussian_of, inception_score, kernel, means

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Results:
    """Numbers of one run.

    plan, fingerprints: what was measured, and by what. run, started: for the rows.
    networks: fingerprints, those of autoencoders' measures without the autoencoder.
    """

    plan: EvaluatePlan
    fingerprints: dict[str, str]
    networks: dict[str, str]
    run: str
    started: str
    _sets: dict[tuple[str, str, str], MeasuredSet] = field(default_factory=dict)
    _gaussians: dict[tuple[str, str, str], ray.ObjectRef] = field(default_factory=dict)

    def rows(self) -> Iterator[Result]:
        """
        Raises:
            AuditError: features are of other pictures than those of their set.
            ValueError: no picture is left of a set.
        """
        for measured in self.plan.role("input"):
            logger.info("numbers of %s", measured.pictures.name)
            yield from self._of_pictures(measured)
        for measured in self.plan.role("corpus"):
            for model, measure in enumerate(measured.measures[1:]):
                yield from self._of_autoencoder(measured, measure, self.plan.autoencoders[model])

    def _of_pictures(self, measured: Measured) -> Iterator[Result]:
        asked = set[str](self.plan.config.metrics)
        if FEATURES in measured.measures:
            yield from self._of_features(measured, asked)
        for measure, metric, columns in (
            (SIMILARITY, "clip", ["clip"]),
            (DEPTH, "depth", self._depth_columns(measured)),
        ):
            if measure in measured.measures:
                for name, score in means(self._set(measured, measure).rows, columns).items():
                    yield self._result(measured, name, metric, measure, score)

    def _of_features(self, measured: Measured, asked: set[str]) -> Iterator[Result]:
        own, config = self._set(measured, FEATURES), self.plan.config.inception
        if "inception_score" in asked:
            score = inception_score(own.rows, len(own.chosen))
            yield self._result(measured, "inception_score", "inception_score", FEATURES, score)
        for real in self.plan.role("reference"):
            if "fid" in asked:
                score = frechet(own.rows, self._gaussian(measured, FEATURES), self._gaussian(real, FEATURES))
                yield self._result(measured, "fid", "fid", FEATURES, score)
            if "kid" in asked:
                others = self._set(real, FEATURES)
                score = kernel(own.rows, others.rows, config.kid_subsets, config.kid_subset_size)
                yield self._result(measured, "kid", "kid", FEATURES, score)

    def _of_autoencoder(self, measured: Measured, measure: str, name: str) -> Iterator[Result]:
        rows = self._set(measured, measure).rows
        own, originals = self._gaussian(measured, measure), self._gaussian(measured, FEATURES)
        scores = {"rfid": frechet(rows, own, originals), **means(rows, RECONSTRUCTED)}
        for metric, score in scores.items():
            if score.count:  # an autoencoder of pictures alone has no depth
                yield self._result(measured, metric, "autoencoder", measure, score, name)

    def _depth_columns(self, measured: Measured) -> list[str]:
        """Of the samples' own depth, and of the peer's, as far as there is either."""
        errors = [name for name in METRICS if name.startswith("peer_")]
        own = [name.removeprefix("peer_") for name in errors] if "depth" in measured.pictures.columns else []
        return own + (errors if self.plan.config.depth.peer else [])

    def _set(self, measured: Measured, measure: str) -> MeasuredSet:
        place = (measured.role, measured.pictures.name, measure)
        if place not in self._sets:
            parts = measured.pictures.parts
            shards = [self.plan.shard(measured, measure, part, self.fingerprints) for part in parts]
            wanted = self.plan.chosen(measured)
            self._sets[place] = MeasuredSet.of(measured, self.plan.config.output, shards, wanted)
        return self._sets[place]

    def _gaussian(self, measured: Measured, measure: str) -> ray.ObjectRef:
        """The sums of a set, made once."""
        place = (measured.role, measured.pictures.name, measure)
        if place not in self._gaussians:
            self._gaussians[place] = gaussian_of(self._set(measured, measure).rows)
        return self._gaussians[place]

    def _reference(self) -> tuple[Measured, Chosen] | None:
        real = next(iter(self.plan.role("reference")), None)
        return (real, self._set(real, FEATURES).chosen) if real else None

    def _result(
        self, measured: Measured, name: str, metric: str, measure: str, score: Score, of: str | None = None
    ) -> Result:
        """
        Args:
            name, metric: the number's, and the group of settings that asks for it.
            of: the autoencoder's name, where it is about one.
        """
        own, about = self._set(measured, measure), dict(measured.pictures.about)
        against = self._reference() if metric in ("fid", "kid") else None
        protocol = protocol_of(metric, self.plan.config, self.networks[measure], measured, own.chosen, against)
        if of:
            about = {"checkpoint": self.fingerprints[measure]}
        return Result(
            run=self.run,
            started=self.started,
            pictures=of or measured.pictures.name,
            metric=name,
            value=score.value,
            stderr=score.stderr,
            std=score.std,
            num_samples=score.count,
            excluded=own.excluded + score.excluded,
            protocol=protocol_hash(protocol),
            config=json.dumps(protocol, sort_keys=True),
            **{fact: about.get(fact) for fact in DRAWN_BY},
        )
