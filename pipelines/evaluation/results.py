"""Features of the subjects -> the rows of `metrics/v1`."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ldm3d.results.evaluation import Result
from ldm3d.results.metrics import METRICS, SEAMS
from pipelines.evaluation.chosen import Chosen
from pipelines.evaluation.feature_cache import FeatureCache
from pipelines.evaluation.networks import AGAINST_REAL, DEPTH, DINOV2, FEATURES, PANORAMA_DEPTH, SEAM, SIMILARITY
from pipelines.evaluation.pair_scores import maximum_discrepancy, precision_recall
from pipelines.evaluation.plan import EvaluatePlan
from pipelines.evaluation.protocol import DRAWN_BY, RECONSTRUCTED, metric_of, protocol_hash, protocol_of
from pipelines.evaluation.scores import Score, frechet, inception_score, kernel, means
from pipelines.evaluation.subjects import Subject

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Results:
    """The numbers of one run, computed from committed features."""

    plan: EvaluatePlan
    run: str
    started: str

    @cached_property
    def cache(self) -> FeatureCache:
        """The features that the numbers come from."""
        return FeatureCache(self.plan)

    def rows(self) -> Iterator[Result]:
        """Compute every number.

        Raises:
            AuditError: the output holds features of other pictures.
            ValueError: fewer than two pictures of a subject could be read.
        """
        for subject in self.plan.role("input"):
            logger.info("numbers of %s", subject.pictures.name)
            yield from self._of_pictures(subject)
        for subject in self.plan.role("corpus"):
            autoencoders = subject.networks[1:]  # the first is that of features
            for network, name in zip(autoencoders, self.plan.autoencoders, strict=True):
                yield from self._of_autoencoder(subject, network, name)

    def _of_pictures(self, subject: Subject) -> Iterator[Result]:
        if FEATURES in subject.networks:
            yield from self._of_features(subject)
        if DINOV2 in subject.networks:
            yield from self._frechet(subject, "fd_dinov2", DINOV2)
        if SIMILARITY in subject.networks:
            yield from self._of_similarity(subject)
        if DEPTH in subject.networks:
            for metric in ("depth", "depth_edges"):
                if metric in self.plan.config.metrics:
                    yield from self._of_columns(subject, DEPTH, metric, self._depth_columns(subject, metric))
        if PANORAMA_DEPTH in subject.networks:
            columns = self._depth_columns(subject, "panorama_depth")
            yield from self._of_columns(subject, PANORAMA_DEPTH, "panorama_depth", columns)
        if SEAM in subject.networks:
            columns = [name for name in SEAMS if name == "seam_ratio" or "depth" in subject.pictures.columns]
            yield from self._of_columns(subject, SEAM, "seam", columns)

    def _of_columns(self, subject: Subject, network: str, metric: str, columns: list[str]) -> Iterator[Result]:
        for name, score in means(self.cache.features(subject, network).rows, columns).items():
            yield self._result(subject, name, metric, network, score)

    def _of_features(self, subject: Subject) -> Iterator[Result]:
        own, config = self.cache.features(subject, FEATURES), self.plan.config.inception
        asked = set[str](self.plan.config.metrics)
        if "inception_score" in asked:
            score = inception_score(own.rows, len(own.chosen))
            yield self._result(subject, "inception_score", "inception_score", FEATURES, score)
        if "fid" in asked:
            yield from self._frechet(subject, "fid", FEATURES)
        for real in self.plan.role("reference"):
            if "kid" in asked:
                others = self.cache.features(real, FEATURES)
                score = kernel(own.rows, others.rows, config.kid_subsets, config.kid_subset_size)
                yield self._result(subject, "kid", "kid", FEATURES, score)
            if "precision_recall" in asked:
                others, manifolds = self.cache.features(real, FEATURES), map(self.cache.manifold, (subject, real))
                for name, score in precision_recall(own.rows, others.rows, *manifolds).items():
                    yield self._result(subject, name, "precision_recall", FEATURES, score)

    def _of_similarity(self, subject: Subject) -> Iterator[Result]:
        asked = set[str](self.plan.config.metrics)
        if "clip" in asked and "caption" in subject.pictures.columns:
            yield from self._of_columns(subject, SIMILARITY, "clip", ["clip"])
        if "cmmd" in asked:
            own = self.cache.features(subject, SIMILARITY).rows
            for real in self.plan.role("reference"):
                others = self.cache.features(real, SIMILARITY).rows
                score = maximum_discrepancy(own, others, self.cache.embeddings(subject), self.cache.embeddings(real))
                yield self._result(subject, "cmmd", "cmmd", SIMILARITY, score)

    def _frechet(self, subject: Subject, metric: str, network: str) -> Iterator[Result]:
        own = self.cache.features(subject, network).rows
        for real in self.plan.role("reference"):
            score = frechet(own, self.cache.gaussian(subject, network), self.cache.gaussian(real, network))
            yield self._result(subject, metric, metric, network, score)

    def _of_autoencoder(self, subject: Subject, network: str, name: str) -> Iterator[Result]:
        rows = self.cache.features(subject, network).rows
        own, originals = self.cache.gaussian(subject, network), self.cache.gaussian(subject, FEATURES)
        scores = {"rfid": frechet(rows, own, originals), **means(rows, RECONSTRUCTED)}
        for metric, score in scores.items():
            if score.count:  # 0 for depth of an autoencoder without depth
                yield self._result(subject, metric, "autoencoder", network, score, name)

    def _depth_columns(self, subject: Subject, metric: str) -> list[str]:
        """Return a metric's columns of the samples' own depth and of the peer's, as far as there is either."""
        errors = [name for name in METRICS if name.startswith("peer_") and metric_of(name) == metric]
        own = [name.removeprefix("peer_") for name in errors] if "depth" in subject.pictures.columns else []
        return own + (errors if self.plan.config.depth.peer else [])

    def _reference(self, network: str) -> tuple[Subject, Chosen] | None:
        real = next(iter(self.plan.role("reference")), None)
        return (real, self.cache.features(real, network).chosen) if real else None

    def _result(
        self, subject: Subject, name: str, metric: str, network: str, score: Score, of: str | None = None
    ) -> Result:
        """Make the row of a score.

        Args:
            name: the result's metric.
            metric: what the settings call the metric that it belongs to.
            of: name of the autoencoder that it is about, if any.
        """
        own, about = self.cache.features(subject, network), dict(subject.pictures.about)
        against = self._reference(network) if metric in AGAINST_REAL else None
        protocol = protocol_of(metric, self.plan.config, self.plan.judges[network], subject, own.chosen, against)
        if of:
            about = {"checkpoint": self.plan.fingerprints[network]}
        return Result(
            run=self.run,
            started=self.started,
            pictures=of or subject.pictures.name,
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
