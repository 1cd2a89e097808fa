"""The methods paragraph of the page, and the tables to download."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from structcomp_jax.pipeline import rounds
from structcomp_jax.report import downloads, methods
from structcomp_jax.structure import anatomy
from structcomp_jax.structure.separability import (
  MOST,
  RISK,
  SUBROUTINES,
  WORTH_A_CLAIM,
)
from structcomp_jax.studies import citations
from structcomp_jax.studies.break_it_down.experiments import DESCRIPTIONS
from structcomp_jax.studies.break_it_down.findings import growth
from structcomp_jax.studies.break_it_down.findings.collect import Evidence
from structcomp_jax.studies.break_it_down.findings.conclude import Findings
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  CHANCE,
  UNTRAINED_REGIME,
)
from structcomp_jax.studies.break_it_down.regimes import LABELS

_SETTING = (
  "We asked whether a network that solves the odd-one-out task {experiment}"
  " holds a separate part for each of its subroutines {subroutines} (Lepori et"
  " al., 2023).",
  "Of four {items}, three obey a rule ({rule}) and one does not.",
  "Networks were of the kind {model[name]}{sizes}; there were {networks}.",
  "Networks trained from scratch were trained on the whole task for at most"
  " {training[effort]} with Adam (step size {training[learning_rate]}, batches"
  " of {training[batch_size]}).",
)
_ROUNDS = (
  "Base networks were added in rounds, from {rounds[first]} to at most"
  " {rounds[most]}, until the cuts described below decided about the networks"
  " of the first kind; each of the {rounds[planned]} planned rounds was judged"
  " at a risk of {rounds[risk]}.",
)
_MASKS = (
  "For each subroutine, a binary mask over {num_weights} weights (the matrices"
  " from {masked_from} on, one mask element per {search[unit]})"
  " was learned with all weights frozen.",
  "The relaxation was {search[relaxation]}, the optimiser Adam on the mask's"
  " logits (step size {learning_rate}, initial logit {mask_init}, penalty of a"
  " kept weight {penalty}), for {search[effort]} with batches of"
  " {search[batch_size]}; afterwards a weight is kept or removed for good.",
  "The inverse temperature rose from 1 to {max_beta} during the search"
  " ({search[schedule]}).",
  "This gave {num_masks}, {seeds_per_network} per network and subroutine.",
)
_CUTS = (
  "In addition every network was cut in two by one mask: the weights that it"
  " keeps learned {kept_task} and those that it removes {rest_task}, with the"
  " sum of both losses and the relaxation {cuts[relaxation]} (Csordás et al.,"
  " 2021), for {cuts[effort]} of Adam (step size"
  " {cuts[learning_rates]}, batches of {cuts[batch_size]}), judged every"
  " {cuts[look_every]} steps on validation problems. The separability of a"
  " network is the accuracy of the worse half, rescaled to 0 at guessing and 1"
  " at no error, and averaged over these looks; the network counts by its"
  " excess over the higher of its controls.",
  "Networks are called separable where the mean excess is above"
  f" {WORTH_A_CLAIM:g} and the mean separability above {MOST:g}, each with a"
  f" probability of more than {1 - RISK:g} (t distribution over base networks),"
  " and partly separable where the first holds alone.",
)
_CONTROLS = (
  "Controls were the same searches in networks that were never trained"
  "{untrained};",
  "random masks with as many weights in every matrix{random};",
  "cuts between {num_nonsense} (random bits of what the same items show).",
)
_MEASURES = (
  "Every network was tested on {num_problems} problems per test.",
  "The task difference D is the accuracy on problems in which the odd item"
  " breaks only the mask's own subroutine, minus that on problems in which it"
  " breaks only the other one, with accuracies below {chance} (guessing)"
  " counted as {chance}: of the network that the mask keeps (D_sub) and of the"
  " one that it leaves when it is removed (D_abl).",
  "Base networks with a test accuracy below {evaluation[failed_below]} on the"
  " whole task were left out ({num_failed}).",
)
_OVERLAPS = (
  "The overlap of two masks is their intersection over union, beside that of"
  " random masks with the same number of weights in every matrix. A matrix,"
  " attention head or neuron belongs to a mask if, among the weights that"
  " exactly one of two masks keeps, the odds in its favour are at least"
  f" {anatomy.LEAST_ODDS:g} to 1, and at least {anatomy.LEAST_ODDS:g} times"
  " those of its matrices, in every pair of searches, and significantly so"
  " (exact hypergeometric test, false discovery rate"
  f" {anatomy.FALSE_DISCOVERIES:.0%} within a network)."
)


def section(found: Sequence[Findings]) -> str:
  """Returns a methods paragraph for every network of the page."""
  texts = [text for one in found for text in paragraphs(one.evidence)]
  references = [citations.BREAK_IT_DOWN, citations.ARE_NETS_MODULAR]
  return methods.section(texts, references, methods.NOTE)


def paragraphs(evidence: Evidence) -> Iterator[str]:
  """Yields the paragraphs about one architecture on one experiment."""
  one = evidence.workdirs[0]
  values = _values(evidence)
  yield methods.paragraph([*_SETTING, *_ROUNDS], values)
  yield methods.paragraph([*_MASKS, *_CUTS], values)
  yield _controls(values)
  yield methods.paragraph(_MEASURES, values)
  has_masks = not evidence.overlaps.empty
  yield f"{methods.STATISTICS} {_OVERLAPS if has_masks else ''}".strip()
  yield methods.software(one)


def files(
  found: Sequence[Findings], tables: Mapping[str, str], verdicts: str
) -> dict[str, bytes]:
  """Returns {name: content} of all that can be downloaded from the page.

  Args:
    found: what the page is about.
    tables: of `tables_of`.
    verdicts: the content of verdicts.json.
  """
  workdirs = [one for each in found for one in each.evidence.workdirs]
  made = {f"{name}.csv": text.encode() for name, text in tables.items()}
  return {
    **downloads.of_workdirs(workdirs),
    **made,
    "verdicts.json": verdicts.encode(),
  }


def tables_of(found: Sequence[Findings]) -> dict[str, str]:
  """Returns {name: CSV} of the tables that the page itself makes.

  Neurons that belong to no mask are left out of the anatomy; how many neurons
  there are stands in `num_units`.
  """
  overlaps = _joined(found, "overlaps")
  units = _joined(found, "anatomy")
  if not units.empty:
    units = units[(units["unit"] != "neuron") | (units["belongs"] != "")]
  named = {"overlaps": overlaps, "anatomy": units}
  return {
    name: table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    for name, table in named.items()
    if not table.empty
  }


def _joined(found: Sequence[Findings], name: str) -> pd.DataFrame:
  """Returns a table of all networks, with what it is about."""
  parts = []
  for one in found:
    table = getattr(one.evidence, name)
    if not table.empty:
      table = table.copy()
      table.insert(0, "experiment", one.evidence.experiment)
      table.insert(1, "model", one.evidence.model)
      parts.append(table)
  return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _controls(values: Mapping[str, Any]) -> str:
  """Returns the controls that there are, as one sentence."""
  parts = [methods.paragraph([template], values) for template in _CONTROLS]
  text = " ".join(part for part in parts if part)
  return f"{text.rstrip(';.')}." if text else ""


def _values(evidence: Evidence) -> dict[str, Any]:
  """Returns what the sentences are filled with."""
  one = evidence.workdirs[0]
  table, config = evidence.differences, one.config
  regimes = {
    LABELS.name(regime): group["base_seed"].nunique()
    for regime, group in table.groupby("regime", sort=False)
  }
  failed = table.loc[table["base_failed"], ["regime", "base_seed"]]
  about = DESCRIPTIONS.get(evidence.experiment)
  searches = len(table)
  per_network = table.groupby(["regime", "base_seed", "subroutine"]).size()
  return {
    **_sections(config),
    "experiment": evidence.experiment,
    "subroutines": methods.listed(sorted(table["subroutine"].unique())),
    "items": about and about.items,
    "rule": about and about.rule,
    "sizes": _sizes(config.get("model", {})),
    "networks": methods.listed(
      [
        f"{methods.counted(count, 'base network')} {words}"
        for words, count in regimes.items()
      ]
    ),
    "num_weights": methods.span(one.results["l0_max"]),
    "masked_from": methods.listed(
      [
        f"layer {stage}" if stage.isdigit() else stage
        for stage in sorted(set(table["masked_from"].map(str)))
      ]
    ),
    "learning_rate": methods.span(table["learning_rate"]),
    "mask_init": methods.span(table["mask_init"]),
    "penalty": methods.span(table["penalty"]),
    "num_masks": methods.counted(searches, "mask"),
    "seeds_per_network": methods.span(per_network),
    "num_problems": methods.span(one.results["num_problems"]),
    "num_failed": methods.counted(len(failed.drop_duplicates()), "network"),
    "chance": CHANCE,
    "untrained": _untrained(set(table["regime"])),
    "random": None if evidence.controls is None else "",
    **_cut_values(evidence),
    "rounds": _round_values(config),
  }


def _untrained(regimes: set[str]) -> str | None:
  """Returns more about the networks that were never trained, or None."""
  if UNTRAINED_REGIME not in regimes:
    return None
  if "scratch" not in regimes:
    return ""
  return ", with the initial weights of those trained from scratch"


def _sections(config: Mapping[str, Any]) -> dict[str, Any]:
  """Returns the sections of a config, as far as sentences can use them."""
  found: dict[str, Any] = {
    name: {**config[name], "effort": _effort(config[name])}
    for name in ("model", "training", "search", "cuts", "evaluation")
    if name in config
  }
  for name in ("search", "cuts"):
    relaxation = found.get(name, {}).get("relaxation")
    if isinstance(relaxation, Mapping):
      relaxation = relaxation.get("name")
    if relaxation:
      found[name]["relaxation"] = relaxation.replace("_", " ")
  if "scratch" not in config.get("regimes", ()):
    found.pop("training", None)
  search = found.get("search", {})
  if search.get("relaxation") == "continuous sparsification":
    found["max_beta"] = search.get("max_beta")
  return found


def _effort(section: Mapping[str, Any]) -> str | None:
  """Returns how long something was learned; None: the config does not say."""
  for field, word in (("num_steps", "step"), ("num_epochs", "epoch")):
    if section.get(field):
      return methods.counted(section[field], word)
  return None


def _sizes(model: Mapping[str, Any]) -> str:
  if model.get("checkpoint"):
    return f" (sizes and weights of the checkpoint {model['checkpoint']})"
  named = [
    f"{name.replace('_', ' ')} {value}"
    for name, value in model.get("sizes", {}).items()
  ]
  return f" ({', '.join(named)})" if named else ""


def _round_values(config: Mapping[str, Any]) -> dict[str, Any]:
  """Returns how base networks were added; nothing where they were given."""
  plan = rounds.planned(config)
  if len(plan) == 1:
    return {}
  return {
    "first": len(plan[0]),
    "most": len(plan[-1]),
    "planned": len(plan),
    "risk": f"{growth.risk(config):.2g}",
  }


def _cut_values(evidence: Evidence) -> dict[str, Any]:
  cuts = evidence.cuts
  if cuts is None or cuts.empty:
    return {}
  between = cuts[cuts["pair"] == SUBROUTINES]
  nonsense = cuts[cuts["pair"] != SUBROUTINES]["pair"].nunique()
  found = {}
  if not between.empty:
    found = {
      name: str(between[name].iloc[0]) for name in ("kept_task", "rest_task")
    }
  if nonsense:
    found["num_nonsense"] = methods.counted(
      nonsense, "pair of nonsense properties", "pairs of nonsense properties"
    )
  return found
