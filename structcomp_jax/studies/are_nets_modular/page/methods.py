"""The methods paragraph of the page, and the tables to download."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from structcomp_jax.report import downloads, methods
from structcomp_jax.studies import citations
from structcomp_jax.studies.are_nets_modular import images
from structcomp_jax.studies.are_nets_modular.findings.class_removal import LEAST
from structcomp_jax.studies.are_nets_modular.findings.conclude import Findings
from structcomp_jax.studies.are_nets_modular.findings.evidence import (
  SOLVED,
  UNTRAINED,
  Evidence,
)
from structcomp_jax.studies.are_nets_modular.regimes import LABELS

_SETTING = (
  "We asked which weights of a network trained on {trained_on} serve which of"
  " its parts ({subtasks}), following Csord\u00e1s et al. (2021).",
  "Networks were of the kind {model[name]}; base networks were {networks}.",
  "They were trained for {training[num_steps]:,} steps of Adam (step size"
  " {training[learning_rate]}, batches of {training[batch_size]}, gradients"
  " clipped to norm {training[clip_norm]}).",
)
_MASKS = (
  "With all weights frozen, binary masks over {num_weights} weights were"
  " learned for the whole task (the control mask) and for each part.",
  "Masks were sampled by the straight-through Gumbel-sigmoid,"
  " {search[num_mask_samples]} per batch, from initial logits of"
  " {search[init_logits]}, for {search[num_steps]:,} steps of Adam on the"
  " logits (step size {search[learning_rates]}, batches of"
  " {search[batch_size]}); every logit cost {betas} divided by the batch size.",
  "This gave {num_masks}; a weight is kept where its logit is above 0.",
)
_CONTROLS = (
  "Every mask of a part is compared with the control mask, which shows what"
  " search and penalty cost by themselves; networks whose control mask solves"
  " less than {solved} of the problems of a test were left out of the"
  " verdicts.",
  "Noise floors are random masks with as many weights in every matrix{random}.",
  "The same searches were made in networks that were never trained{untrained}.",
)
_TESTS = ("Every network was tested on {num_problems} problems per test.",)


def section(found: Sequence[Findings]) -> str:
  """Returns a methods paragraph for every work directory of the page."""
  texts = [text for one in found for text in _paragraphs(one.evidence)]
  references = [citations.ARE_NETS_MODULAR, citations.BREAK_IT_DOWN]
  return methods.section(texts, references, methods.NOTE)


def files(found: Sequence[Findings], verdicts: str) -> dict[str, bytes]:
  """Returns {name: content} of all that can be downloaded from the page.

  Args:
    found: what the page is about.
    verdicts: the content of verdicts.json.
  """
  tables = downloads.of_workdirs([one.evidence.workdir for one in found])
  return {**tables, "verdicts.json": verdicts.encode()}


def _paragraphs(evidence: Evidence) -> Iterator[str]:
  values = _values(evidence)
  yield methods.paragraph(_SETTING, values)
  yield methods.paragraph(_MASKS, values)
  yield methods.paragraph(_CONTROLS, values)
  tests = methods.paragraph(_TESTS, values)
  yield f"{tests} {methods.STATISTICS}".strip()
  yield methods.software(evidence.workdir)


def _values(evidence: Evidence) -> Mapping[str, Any]:
  config, results = evidence.workdir.config, evidence.results
  is_of_pictures = evidence.experiment in images.EXPERIMENTS
  networks = [
    f"{group['base_seed'].nunique()} {LABELS.name(str(regime))}"
    for regime, group in results.groupby("regime", sort=False)
  ]
  names = ["regime", "base_seed", "subroutine", "candidate"]
  masks = results.loc[results["subroutine"] != "", names].drop_duplicates()
  return {
    **{
      name: config[name]
      for name in ("model", "training", "search")
      if name in config
    },
    "trained_on": config.get("data", {}).get("source", evidence.experiment),
    "subtasks": methods.listed(evidence.subtasks),
    "networks": "; ".join(networks),
    "num_weights": methods.span(results["l0_max"]),
    "betas": methods.listed([f"{beta:g}" for beta in evidence.betas]),
    "num_masks": methods.counted(len(masks), "mask"),
    "num_problems": methods.span(results["num_problems"]),
    "solved": f"{LEAST if is_of_pictures else SOLVED:.0%}",
    "random": None if evidence.controls is None else "",
    "untrained": "" if UNTRAINED in evidence.masked_regimes else None,
  }
