"""Tables of "Are Neural Nets Modular?" in Markdown, for its results page.

Percent, mean ± standard deviation over base networks, unless a table says
otherwise.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from structcomp_jax.report import curves, markup
from structcomp_jax.report.text import markdown_table
from structcomp_jax.studies.are_nets_modular.domain import CONTROL
from structcomp_jax.studies.are_nets_modular.findings import (
  accuracies,
  class_drops,
  overlaps,
  stability,
  transfer_sharing,
)
from structcomp_jax.studies.are_nets_modular.findings.conclude import Findings
from structcomp_jax.studies.are_nets_modular.findings.evidence import Evidence
from structcomp_jax.studies.are_nets_modular.findings.verdict import Verdict
from structcomp_jax.studies.are_nets_modular.images import removed_class
from structcomp_jax.studies.are_nets_modular.transfer import REDRAWN

_MASKS = {
  "none": "{mask}",
  "zero": "without {mask}",
  "zero_io_control": "without {mask}, io control",
  "zero_io_free": "without {mask}, io free",
}
_OF_CLASSES = {
  overlaps.SAME: "the same classes",
  overlaps.DIFFERENT: "different classes",
}
_DROPS = {
  "target": "lost of the removed class",
  "others": "of the largest other one",
  "ratio": "other / target",
}


def judged(found: Sequence[Findings]) -> list[Verdict]:
  """Returns the verdicts on networks in question, not on their controls."""
  return [
    verdict
    for findings in found
    for verdict in findings.verdicts
    if verdict.network[2] in findings.evidence.judged
  ]


def judged_chains(
  found: Sequence[transfer_sharing.Findings],
) -> list[Verdict]:
  """Returns the verdicts on chains of permutations, not on their controls."""
  return [
    verdict
    for findings in found
    for verdict in findings.verdicts
    if verdict.network[2] != REDRAWN
  ]


def short_answers(verdicts: Sequence[Verdict]) -> str:
  """Returns the answers with the numbers that they rest on."""
  lines = [("experiment", "network", "question", "answer", "effect")]
  for verdict in verdicts:
    effect = verdict.effect or markup.DASH
    lines.append(
      (*verdict.network[:2], verdict.question, verdict.label, effect)
    )
  return markdown_table(lines)


def answers(verdicts: Sequence[Verdict]) -> str:
  """Returns the answers in words, beside their noise floors."""
  head = ("experiment", "network", "question", "answer", "why", "noise floor")
  lines = [
    (
      *verdict.network[:2],
      verdict.question,
      verdict.label,
      verdict.sentence,
      verdict.floor or markup.DASH,
    )
    for verdict in verdicts
  ]
  return markdown_table([head, *lines])


def intervals(verdicts: Sequence[Verdict]) -> str:
  """Returns how far every effect exceeds what it is compared with."""
  head = (
    "experiment", "network", "question", "effect", "above", "by",
    "95 % interval", "networks",
  )  # fmt: skip
  lines = [head]
  for verdict in verdicts:
    for effect in verdict.effects:
      for name, compared in effect.against.items():
        estimate = compared.estimate if compared else None
        if estimate is None:
          continue
        low, high = (markup.number(end, 3) for end in estimate.interval)
        lines.append(
          (
            *verdict.network[:2],
            verdict.question,
            effect.words,
            name,
            markup.number(estimate.value, 3),
            f"{low} to {high}",
            str(estimate.num_clusters),
          )
        )
  return markdown_table(lines)


def accuracy(found: Sequence[Findings]) -> str:
  """Returns what networks, masks and inverse masks can do."""
  lines = []
  for findings in found:
    evidence = findings.evidence
    table = accuracies.inverse_table(evidence.results, evidence.subtasks)
    tests = list(dict.fromkeys(table["test_task"]))
    groups = table.groupby(["regime", "subroutine", "ablation"], sort=False)
    for (regime, mask, ablation), rows in groups:
      name = _MASKS[ablation].format(mask=mask) if mask else "whole network"
      by_test = rows.set_index("test_task")
      cells = [
        f"{test} {_percent(by_test.loc[test], 'accuracy')}"
        for test in tests
        if test in by_test.index
      ]
      networks = str(rows["num_networks"].iloc[0])
      lines.append(
        (*_network(evidence), regime, name, ", ".join(cells), networks)
      )
  head = ("experiment", "network", "regime", "mask", "accuracy", "networks")
  return markdown_table([head, *lines])


def kept(found: Sequence[Findings]) -> str:
  """Returns the share of the maskable weights that masks keep."""
  lines = []
  for findings in found:
    rows = findings.evidence.results
    rows = rows[(rows["ablation"] == "none") & (rows["subroutine"] != "")]
    first = rows.drop_duplicates(
      ["regime", "base_seed", "subroutine", "candidate"]
    )
    table = accuracies.between_networks(
      first, ["regime", "subroutine"], ["density"]
    )
    lines += [
      (
        *_network(findings.evidence),
        row["regime"],
        row["subroutine"],
        _percent(row, "density"),
      )
      for _, row in table.iterrows()
    ]
  head = ("experiment", "network", "regime", "mask", "kept")
  return markdown_table([head, *lines])


def shared(found: Sequence[Findings]) -> str:
  """Returns the overlap of masks, leaf by leaf and over all leaves.

  Empty where no network has two masks.
  """
  lines = []
  for findings in found:
    evidence = findings.evidence
    table = _overlaps(evidence)
    lines += [
      (
        *_network(evidence),
        row["regime"],
        row["kind"],
        row["leaf"].removesuffix("/kernel"),
        *(
          _percent(row, name)
          for name in ("iou", "random_iou", "iomin", "of_first")
        ),
      )
      for _, row in table.iterrows()
    ]
  if not lines:
    return ""
  head = (
    "experiment", "network", "regime", "masks of", "leaf", "IoU",
    "IoU, random", "IoMin", "share of the first mask",
  )  # fmt: skip
  return markdown_table([head, *lines])


def _overlaps(evidence: Evidence) -> pd.DataFrame:
  """Returns what masks of subtasks share, by leaf and then over all leaves.

  Where there is one subtask alone, what its mask shares with the control mask,
  over all leaves: two searches for about the same thing.
  """
  subtasks = evidence.subtasks
  if len(subtasks) > 1:
    pairs = overlaps.of_subtasks(evidence.overlaps, subtasks)
    parts = [overlaps.per_leaf(pairs)] if len(pairs) else []
  else:
    pairs = overlaps.of_subtasks(evidence.overlaps, (CONTROL, *subtasks))
    pairs, parts = pairs.assign(kind=f"{CONTROL}, {subtasks[0]}"), []
  if pairs.empty:
    return pd.DataFrame()
  return pd.concat([*parts, overlaps.pooled(pairs).assign(leaf="all")])


def drops(found: Sequence[Findings]) -> str:
  """Returns what masks lose that learned without a class, and the floor.

  The floor is what two control masks of one network differ by in the class
  that differs most.
  """
  head = ("network", "regime", "mask without", *_DROPS.values(), "networks")
  lines = [head]
  for evidence in (one.evidence for one in found):
    table = class_drops.by_class(evidence)
    for _, row in table.iterrows():
      lines.append(
        (
          evidence.model,
          row["regime"],
          row["removed"] or "**mean of classes**",
          *(_percent(row, name) for name in _DROPS),
          str(row["num_networks"]),
        )
      )
    for regime in dict.fromkeys(table["regime"]):
      masks = class_drops.of_regime(evidence, regime)
      floor = class_drops.between_controls(masks, evidence.tests)
      means = floor.groupby(level="base_seed").mean()
      text = markup.DASH
      if len(means):
        text = _points(means.mean(), means.std())
      nothing = (markup.DASH, text, markup.DASH, str(len(means)))
      name = "nothing, two control masks"
      lines.append((evidence.model, regime, name, *nothing))
  return markdown_table(lines)


def confusions(found: Sequence[Findings]) -> str:
  """Returns what pictures of a removed class are taken for.

  Points by which the share of an answer differs from that under the control
  mask, mean over networks.
  """
  parts = []
  for evidence in (one.evidence for one in found):
    changes = class_drops.confusion_differences(evidence.confusions)
    is_removed = changes["true"] == changes["subroutine"].map(removed_class)
    rows = changes[changes["regime"].isin(evidence.judged) & is_removed]
    table = rows.pivot(
      index=["regime", "true"], columns="predicted", values="change_mean"
    )
    table = table[list(evidence.tests)]
    lines = [
      (
        evidence.model,
        *names,
        *(markup.number(100 * one, 0, sign=True) for one in values),
      )
      for names, values in zip(table.index, table.to_numpy(), strict=True)
    ]
    parts.append(
      markdown_table([("network", "regime", "removed", *table), *lines])
    )
  return "\n\n".join(parts)


def statistics(found: Sequence[Findings]) -> str:
  """Returns drops by what batch norms use under a mask; "" without any."""
  lines = []
  for evidence in (one.evidence for one in found):
    table = class_drops.by_statistics(evidence)
    lines += [
      (
        evidence.model,
        row["regime"],
        row["statistics"],
        *(_percent(row, name) for name in ("accuracy", *_DROPS)),
        str(row["num_networks"]),
      )
      for _, row in table.iterrows()
    ]
  head = (
    "network", "regime", "statistics", "control mask right",
    *_DROPS.values(), "networks",
  )  # fmt: skip
  return markdown_table([head, *lines]) if lines else ""


def gradients(found: Sequence[Findings]) -> str:
  """Returns cosines of gradients by how many stages are masked."""
  parts = []
  for evidence in (one.evidence for one in found):
    if evidence.gradients.empty:
      continue
    rows = evidence.gradients[evidence.gradients["leaf"] == ""]
    table = accuracies.between_networks(
      rows, ["regime", "mask", "num_masked"], ["cosine"]
    )
    depths = sorted(table["num_masked"].unique())
    lines = [
      ("network", "regime", "mask", *(f"{depth:g} masked" for depth in depths))
    ]
    for names, group in table.groupby(["regime", "mask"], sort=False):
      cells = group.set_index("num_masked").reindex(depths)
      lines.append(
        (
          evidence.model,
          *names,
          *(
            _spread(mean, deviation)
            for mean, deviation in zip(
              cells["cosine_mean"], cells["cosine_sd"], strict=True
            )
          ),
        )
      )
    parts.append(markdown_table(lines))
  return "\n\n".join(parts)


def stable(found: Sequence[Findings]) -> str:
  """Returns the IoU of two masks by leaf, over all values, beside chance."""
  head = (
    "network", "regime", "two masks of", "leaf", "values",
    "IoU, mean ± deviation of values", "random masks",
  )  # fmt: skip
  lines = [head]
  for evidence in (one.evidence for one in found):
    for _, row in stability.by_leaf(evidence).iterrows():
      lines.append(
        (
          evidence.model,
          row["regime"],
          _OF_CLASSES[row["kind"]],
          curves.leaf_group(row["leaf"]) or "**all leaves**",
          str(row["num_values"]),
          _spread(row["iou_mean"], row["iou_sd"]),
          markup.number(row["random_iou"]),
        )
      )
  return markdown_table(lines)


def chains(found: Sequence[transfer_sharing.Findings]) -> str:
  """Returns what chains of permutations use again, over all layers."""
  head = (
    "network", "beta", "chains", "new weights at", "accuracy", "kept",
    "used again", "random masks", "base seeds",
  )  # fmt: skip
  lines = [head]
  for findings in found:
    table = transfer_sharing.by_chain(findings.results, findings.shares)
    lines += [
      (
        findings.model,
        _beta(findings),
        row["regime"],
        f"{row['mask_init']:g}",
        *(
          _percent(row, name)
          for name in ("accuracy", "density", "share", "chance")
        ),
        str(row["num_networks"]),
      )
      for _, row in table.iterrows()
    ]
  return markdown_table(lines)


def layers(found: Sequence[transfer_sharing.Findings]) -> str:
  """Returns the share that is used again by layer and permutation.

  Every second one, as published; in brackets the share of random masks.
  """
  parts = []
  for findings in found:
    table = transfer_sharing.by_layer(findings.shares)
    numbers = sorted(table["permutation"].unique())[::2]
    tasks = (f"T{one + 1:g}" for one in numbers)
    lines = [("network", "beta", "chains", "new weights at", "layer", *tasks)]
    keys = ["regime", "mask_init", "layer"]
    for (regime, init, layer), group in table.groupby(keys, sort=False):
      rows = group.set_index("permutation").reindex(numbers)
      chance = (markup.number(100 * one, 1) for one in rows["chance_mean"])
      cells = [
        f"{_percent(row, 'share')} ({random})"
        for (_, row), random in zip(rows.iterrows(), chance, strict=True)
      ]
      lines.append(
        (findings.model, _beta(findings), regime, f"{init:g}", layer, *cells)
      )
    parts.append(markdown_table(lines))
  return "\n\n".join(parts)


def _beta(findings: transfer_sharing.Findings) -> str:
  betas: Sequence[Any] = findings.workdir.config["search"]["betas"]
  return ", ".join(f"{beta:g}" for beta in betas)


def _network(evidence: Evidence) -> tuple[str, str]:
  return evidence.experiment, evidence.model


def _percent(row: pd.Series, name: str) -> str:
  """Returns mean ± standard deviation in percent."""
  return _points(row[f"{name}_mean"], row[f"{name}_sd"])


def _spread(mean: float, deviation: float) -> str:
  return markup.spread(mean, deviation).replace("\u00a0", " ")


def _points(mean: float, deviation: float) -> str:
  text = markup.number(100 * mean, 1)
  if pd.isna(mean) or pd.isna(deviation):
    return text
  return f"{text} ± {markup.number(100 * deviation, 1)}"
