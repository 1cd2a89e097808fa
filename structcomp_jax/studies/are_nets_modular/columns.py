"""Columns of the study's tables."""

from structcomp_jax.io.tables import Schema
from structcomp_jax.pipeline import tables
from structcomp_jax.types import command

_MADE_BY = command("evaluate")
# density: l0 / l0_max; beta: weight of the penalty; is_sum, is_product: share
# of answers that are the sum, or the product, whatever was asked for.
_MEASURES = {
  "density": float,
  "beta": float,
  "is_sum": float,
  "is_product": float,
}
# overlaps.csv: one row for two masks of a base network and a leaf, `both` of
# whose weights both masks keep. Masks of one penalty alone are compared.
_OVERLAPS = {
  "regime": str,
  "base_seed": float,
  "first": str,
  "first_seed": float,
  "second": str,
  "second_seed": float,
  "beta": float,
  "leaf": str,
  "size": float,
  "first_kept": float,
  "second_kept": float,
  "both": float,
}
# histograms.csv: how many logits l of a mask have sigmoid(l) in a bin of 500.
_HISTOGRAMS = {
  "regime": str,
  "base_seed": float,
  "subroutine": str,
  "mask_seed": float,
  "beta": float,
  "bin": float,
  "count": float,
}
# outputs.csv: how many weights of each output unit a mask keeps, and how many
# of those of the control mask it has lost.
_OUTPUTS = {
  "regime": str,
  "base_seed": float,
  "subroutine": str,
  "mask_seed": float,
  "beta": float,
  "output": str,
  "size": float,
  "kept": float,
  "control_kept": float,
  "lost": float,
}
# confusions.csv: what networks under a mask answer, class by class.
_CONFUSIONS = {
  "regime": str,
  "base_seed": float,
  "subroutine": str,
  "mask_seed": float,
  "beta": float,
  "true": str,
  "predicted": str,
  "share": float,
}
# gradients.csv: cosine of the gradient of a masked network and that of the
# whole one, over the weights that are kept; `mask` is learned or random. No
# leaf: over all leaves.
_GRADIENTS = {
  "regime": str,
  "base_seed": float,
  "subroutine": str,
  "mask_seed": float,
  "beta": float,
  "mask": str,
  "num_masked": float,
  "leaf": str,
  "cosine": float,
}
# {name of the file: its columns}
SCHEMAS = {
  "results": tables.results_schema(**_MEASURES),
  # Random masks with the kept counts of a learned one.
  "controls": tables.results_schema(**_MEASURES, control=str),
  "densities": tables.DENSITIES,
  "overlaps": Schema(_OVERLAPS, _MADE_BY, filled=("size", "both")),
  "histograms": Schema(_HISTOGRAMS, _MADE_BY, filled=("bin", "count")),
  # Arithmetic has no outputs that are counted one by one.
  "outputs": Schema(
    _OUTPUTS, _MADE_BY, filled=("size", "kept"), may_be_empty=True
  ),
}
# What experiments with pictures write besides.
IMAGE_TABLES = {
  "confusions": Schema(_CONFUSIONS, _MADE_BY, filled=("share",)),
  "gradients": Schema(_GRADIENTS, _MADE_BY, may_be_empty=True),
}
# shares.csv: of a permutation's mask, leaf by leaf, how many weights masks of
# earlier permutations have kept (`used`), too (`both`).
SHARES = Schema(
  {
    "regime": str,
    "base_seed": float,
    "mask_init": float,
    "permutation": float,
    "leaf": str,
    "size": float,
    "kept": float,
    "used": float,
    "both": float,
  },
  _MADE_BY,
  filled=("size", "kept", "used", "both"),
)
