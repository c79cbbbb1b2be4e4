"""Features of the subjects, and what several scores need of them, each read or computed once."""

from collections.abc import Callable
from typing import Any, TypeVar

import ray

from pipelines.evaluation.features import Features
from pipelines.evaluation.networks import FEATURES, SIMILARITY
from pipelines.evaluation.pair_scores import Manifold, embeddings_of, manifold_of
from pipelines.evaluation.plan import EvaluatePlan
from pipelines.evaluation.scores import gaussian_of
from pipelines.evaluation.subjects import Subject

Kept = TypeVar("Kept")


class FeatureCache:
    """The features that a plan's networks gave, by subject. Arrays stay in the object store."""

    def __init__(self, plan: EvaluatePlan) -> None:
        self.plan, self._known = plan, dict[tuple[str, ...], Any]()

    def features(self, subject: Subject, network: str) -> Features:
        """Return the checked features of a subject.

        Raises:
            AuditError: the output holds features of other pictures.
            ValueError: fewer than two pictures of the subject could be read.
        """
        return self._once("features", subject, network, lambda: self._open(subject, network))

    def gaussian(self, subject: Subject, network: str) -> ray.ObjectRef:
        """Return `gaussian_of` the features."""
        return self._once("gaussian", subject, network, lambda: gaussian_of(self.features(subject, network).rows))

    def embeddings(self, subject: Subject) -> ray.ObjectRef:
        """Return CLIP's `embeddings_of` a subject."""
        rows = self.features(subject, SIMILARITY).rows
        return self._once("embeddings", subject, SIMILARITY, lambda: embeddings_of(rows))

    def manifold(self, subject: Subject) -> Manifold:
        """Return `manifold_of` the features of Inception."""
        own = self.features(subject, FEATURES)
        return self._once("manifold", subject, FEATURES, lambda: manifold_of(own.rows, len(own.chosen)))

    def _open(self, subject: Subject, network: str) -> Features:
        shards = [self.plan.shard(subject, network, part) for part in subject.pictures.parts]
        return Features.of(subject, self.plan.config.output, shards, self.plan.chosen(subject))

    def _once(self, what: str, subject: Subject, network: str, make: Callable[[], Kept]) -> Kept:
        place = (what, subject.role, subject.pictures.name, network)
        if place not in self._known:
            self._known[place] = make()
        found: Kept = self._known[place]
        return found
