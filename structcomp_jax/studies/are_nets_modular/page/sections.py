"""The part of the page about one work directory: figures and tables."""

from collections.abc import Callable, Iterator, Mapping

import pandas as pd

from structcomp_jax.report import curves, markup
from structcomp_jax.report.markup import escape
from structcomp_jax.studies.are_nets_modular import images
from structcomp_jax.studies.are_nets_modular.findings import (
  accuracies,
  conclude,
  left_out,
  overlaps,
  reuse_score,
)
from structcomp_jax.studies.are_nets_modular.findings.conclude import Findings
from structcomp_jax.studies.are_nets_modular.findings.evidence import Evidence
from structcomp_jax.studies.are_nets_modular.mask_tests import NUM_BINS
from structcomp_jax.studies.are_nets_modular.page import (
  figures,
  image_sections,
  overlap_figures,
  scan_figures,
  tables,
  wording,
)
from structcomp_jax.studies.are_nets_modular.page.shown import shown
from structcomp_jax.studies.are_nets_modular.regimes import LABELS
from structcomp_jax.studies.are_nets_modular.scan import only_regime


def section(findings: Findings) -> str:
  """Returns everything about one work directory except its verdicts."""
  evidence = findings.evidence
  title = escape(evidence.title)
  anchor = title.replace(", ", "-").replace(" ", "-")
  parts = [
    f"<h2 id='{anchor}'>{title}</h2>",
    f"<p>{wording.TASKS.get(evidence.experiment, '')}</p>",
    _beta(evidence),
  ]
  parts += _KINDS[conclude.kind(evidence)](evidence)
  parts += _process(evidence)
  return "\n".join(part for part in parts if part)


def _beta(evidence: Evidence) -> str:
  if len(evidence.betas) < 2:
    return ""
  return (
    f"<p>Masks were searched with {len(evidence.betas)} penalties. All but the"
    f" figure about the penalty is about beta = {evidence.beta:g}, the nearest"
    " to the published 1e-4.</p>"
  )


def _arithmetic(evidence: Evidence) -> Iterator[str]:
  yield shown(
    figures.accuracy_figure(evidence),
    "accuracy",
    tables.inverse_table(evidence),
    "Accuracy of networks, masks and inverse masks",
  )
  yield from _overlaps(evidence)
  confusion = accuracies.confusion(evidence.results)
  if not confusion.empty:
    confusion = confusion[confusion["regime"].isin(evidence.masked_regimes)]
    yield shown(
      figures.confusion_figure(confusion),
      "confusion",
      tables.confusion_table(confusion),
      "Answers that are the sum, the product or neither",
    )
  yield from _sensitivity(evidence)


def _overlaps(evidence: Evidence) -> Iterator[str]:
  rows = overlaps.of_subtasks(evidence.overlaps, evidence.subtasks)
  if rows.empty or len(evidence.subtasks) != 2:
    return
  yield shown(
    overlap_figures.overlap_figure(rows),
    "overlap",
    tables.overlap_tables(rows, evidence.subtasks),
    "Overlap of masks per leaf",
  )
  ends = conclude.end_leaves(evidence.experiment)
  scores = reuse_score.scores(reuse_score.counted(rows, ends))
  if scores["score"].notna().any():
    yield shown(
      overlap_figures.score_figure(scores),
      "score",
      tables.score_table(scores),
      "Reuse score of every network",
    )


def _sensitivity(evidence: Evidence) -> Iterator[str]:
  if len(evidence.betas) < 2 or len(evidence.subtasks) != 2:
    return
  if evidence.every_overlap.empty:
    return
  table = accuracies.by_beta(evidence.every_beta)
  shares = overlaps.by_beta(evidence.every_overlap, evidence.subtasks)
  table = table.merge(
    shares.drop(columns="num_networks"), how="left", on=["regime", "beta"]
  )
  yield shown(
    overlap_figures.sensitivity_figure(table, evidence.subtasks[0]),
    "sensitivity",
    tables.sensitivity_table(table),
    "Accuracy and sharing by the weight of the penalty",
  )


def _scan(evidence: Evidence) -> Iterator[str]:
  only = {split: only_regime(split) for split in evidence.subtasks}
  yield shown(
    scan_figures.left_out_figure(evidence, only),
    "left_out",
    tables.left_out_table(left_out.accuracy_table(evidence)),
    "Accuracy on the commands that splits leave out",
  )
  table = left_out.output_table(evidence.outputs)
  if not table.empty:
    yield shown(
      scan_figures.output_figure(evidence.outputs),
      "output",
      tables.output_table(table),
      "Share of the weights lost per output",
    )


def _mathematics(evidence: Evidence) -> Iterator[str]:
  yield shown(
    scan_figures.levels_figure(evidence),
    "levels",
    tables.left_out_table(left_out.accuracy_table(evidence)),
    "Accuracy on the questions of every level",
  )


_KINDS: Mapping[str, Callable[[Evidence], Iterator[str]]] = {
  "arithmetic": _arithmetic,
  "scan": _scan,
  "mathematics": _mathematics,
  images.REMOVE_CLASS: image_sections.class_removal_parts,
  images.CLASS_PAIR: image_sections.stability_parts,
}


def _process(evidence: Evidence) -> Iterator[str]:
  halves = accuracies.half_masks(evidence.results)
  if not halves.empty:
    yield shown(
      figures.half_figure(halves, evidence.tests),
      "half",
      tables.half_table(halves),
      "Accuracy lost by one half of the control mask",
    )
  if not evidence.densities.empty:
    yield shown(
      curves.density_figure(evidence.densities, labels=LABELS),
      "density",
      tables.weight_table(evidence.densities, evidence.subtasks)
      + tables.remaining_table(evidence),
      "Fraction of weights kept per leaf",
    )
  if not evidence.histograms.empty:
    yield shown(
      figures.histogram_figure(evidence.histograms, NUM_BINS),
      "histogram",
      "",
      "Histogram of the probabilities to keep weights",
    )
  training = evidence.workdir.training
  if not training.empty:
    drawing = curves.training_figure(training, labels=LABELS, progress="step")
    yield shown(drawing, "training", "", "Training of the base networks")
  yield from _searches(evidence.workdir.searches)


def _searches(searches: pd.DataFrame) -> Iterator[str]:
  """Yields the courses of searches, two masks in a figure."""
  if searches.empty:
    return
  names = sorted(searches["subroutine"].unique())
  drawn = [
    markup.figure(
      curves.search_figure(
        searches[searches["subroutine"].isin(names[first : first + 2])],
        labels=LABELS,
        progress="step",
      ),
      wording.CAPTIONS["searches"],
      "Courses of mask searches",
    )
    for first in range(0, len(names), 2)
  ]
  yield markup.folded("Mask searches", "".join(drawn))
