"""The networks that masks make, and how they do on the test tasks."""

from structcomp_jax.evaluation.evaluate import TaskMetrics, evaluate
from structcomp_jax.evaluation.variants import Variant, ablations, dense

__all__ = ["TaskMetrics", "Variant", "ablations", "dense", "evaluate"]
