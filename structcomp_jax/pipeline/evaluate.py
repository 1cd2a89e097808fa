"""Step 4: every network on every test task, into results.csv."""

import dataclasses
import json
import pathlib
from typing import Any

import jax
import numpy as np
from absl import logging
from ml_collections import ConfigDict

from structcomp_jax import evaluation, masks, trees, types
from structcomp_jax.io import files, hosts, mask_files, tables
from structcomp_jax.io.layout import MASKS
from structcomp_jax.io.progress import Progress
from structcomp_jax.io.values import plain
from structcomp_jax.pipeline import experiment as experiments
from structcomp_jax.pipeline import session, train
from structcomp_jax.pipeline.frozen import FrozenNetwork
from structcomp_jax.pipeline.keys import purpose_key
from structcomp_jax.pipeline.tables import SETTINGS
from structcomp_jax.studies.break_it_down.columns import SCHEMAS

# {table: rows}
_Rows = dict[str, list[dict[str, Any]]]
_random_like = jax.jit(jax.vmap(masks.random_like))


def run(config: ConfigDict, workdir: str | pathlib.Path) -> None:
  """Writes results.csv in the work directory of `config`."""
  with session.open_experiment(config, workdir, "evaluate") as experiment:
    step(experiment)


def step(experiment: experiments.Experiment) -> None:
  """Writes results.csv, controls.csv and densities.csv.

  What a base network adds to them is kept in a file of its own and made
  again only if the network or its masks are others by now.
  """
  config = experiment.config
  found = [
    _find(experiment, regime, base_seed)
    for regime in config.regimes
    for base_seed in config.base_seeds
  ]
  stored = [_stored_rows(experiment, one) for one in found]
  paths = {name: experiment.paths.table(name) for name in SCHEMAS}
  if all(stored) and all(map(files.exists, paths.values())):
    logging.info("results.csv: done before")
    files.remove(experiment.paths.cache)
    return
  # Tables of other masks or columns: after a kill they must not be taken for
  # those of the rows that are stored by then.
  for path in paths.values():
    files.remove(path)
  parts = []
  with Progress(len(found), "evaluating base networks") as progress:
    for one, earlier in zip(found, stored, strict=True):
      parts.append(earlier or _evaluate(experiment, one))
      progress.update(regime=one.regime, base_seed=one.base_seed)
  for name, path in paths.items():
    rows = [row for part in parts for row in part[name]]
    tables.write(path, rows, SCHEMAS[name])
  # Of searches that were killed when they were finished but for this.
  files.remove(experiment.paths.cache)


@dataclasses.dataclass(frozen=True)
class _Masks:
  """The finite masks of one subroutine.

  Attributes:
    stacked: {path: bool[K, ...]}.
    settings: K dicts of the columns that tell the masks apart; `candidate`
      is the row of a mask in its file.
    spec: the masked leaves.
    masked_from: the first masked stage.
  """

  stacked: types.Mask
  settings: list[dict[str, Any]]
  spec: masks.MaskSpec
  masked_from: Any


@dataclasses.dataclass(frozen=True)
class _Found:
  """What there is of one base network.

  Attributes:
    regime: its regime.
    base_seed: its seed.
    params: its weights.
    masks: {subroutine: its masks}.
    digest: of the weights and all masks.
  """

  regime: str
  base_seed: int
  params: types.Params
  masks: dict[str, _Masks]
  digest: str


def _find(
  experiment: experiments.Experiment, regime: str, base_seed: int
) -> _Found:
  """Reads one base network and its masks.

  Raises:
    UserError: something is missing, torn, or of another network.
  """
  params, fingerprint = train.load_params(experiment, regime, base_seed)
  found = {}
  for subroutine in experiment.subroutines:
    directory = experiment.paths.masks(regime, base_seed, subroutine)
    if not files.is_done(directory):
      raise types.UserError(
        f"{directory} holds no finished masks; run python -m launch.search "
        "with the same config and work directory"
      )
    masked_from = files.read_done(directory)["masked_from"]
    load = hosts.by_first(mask_files.load)
    stacked, columns = load(directory / MASKS, fingerprint)
    rows = np.flatnonzero(columns.pop("finite"))
    found[subroutine] = _Masks(
      stacked=trees.row(stacked, rows),
      settings=[
        {name: values[index] for name, values in columns.items()}
        | {"masked_from": masked_from, "candidate": int(index)}
        for index in rows
      ],
      spec=experiment.mask_spec(params, masked_from),
      masked_from=masked_from,
    )
  digest = trees.fingerprint(
    {"params": params, "masks": {k: v.stacked for k, v in found.items()}}
  )
  return _Found(regime, base_seed, params, found, digest)


def _stored_rows(
  experiment: experiments.Experiment, found: _Found
) -> _Rows | None:
  """Returns {table: rows} of an earlier evaluation of the same network.

  None where there is none, or one by a version with other columns.
  """
  path = experiment.paths.evaluation(found.regime, found.base_seed)
  if not files.exists(path):
    return None
  try:
    stored = json.loads(files.read_text(path))
    rows, digest = stored["rows"], stored["digest"]
    is_current = digest == found.digest and _has_all_columns(rows)
  except (ValueError, KeyError, TypeError):
    logging.warning("%s is torn and is made again", path)
    return None
  return rows if is_current else None


def _has_all_columns(rows: _Rows) -> bool:
  return all(
    set(row) == set(schema.columns)
    for name, schema in SCHEMAS.items()
    for row in rows[name]
  )


def _evaluate(experiment: experiments.Experiment, found: _Found) -> _Rows:
  """Returns and stores {table: rows} of one base network."""
  network = _EvaluatedNetwork(experiment, found)
  rows = {
    "results": network.dense_rows(),
    "controls": [],
    "densities": [],
  }
  for subroutine in experiment.subroutines:
    rows["results"] += network.mask_rows(subroutine)
    rows["controls"] += network.control_rows(subroutine)
    rows["densities"] += network.density_rows(subroutine)
  rows = {
    table: [
      {column: plain(value) for column, value in row.items()}
      for row in table_rows
    ]
    for table, table_rows in rows.items()
  }
  content = {"digest": found.digest, "rows": rows}
  path = experiment.paths.evaluation(found.regime, found.base_seed)
  files.write_atomic(path, json.dumps(content) + "\n")
  network.forget_features()
  return rows


class _EvaluatedNetwork:
  """One base network, and the rows it adds to the tables."""

  def __init__(self, experiment: experiments.Experiment, found: _Found):
    self._experiment, self._found = experiment, found
    self._frozen = FrozenNetwork(experiment, found.params)
    self._variants, self._metrics = {}, {}
    for subroutine in experiment.subroutines:
      variants = self._make_variants(subroutine)
      self._variants[subroutine] = variants
      self._metrics[subroutine] = self._frozen.evaluate(
        found.masks[subroutine].masked_from,
        variants,
        experiment.test_tasks,
        "test",
        key=self._key("ablation", subroutine),
      )
    # The dense network is the same for every subroutine.
    dense = self._metrics[experiment.subroutines[0]]["dense", "none"]
    self._dense = trees.row(dense, 0)

  def _make_variants(
    self, subroutine: str
  ) -> dict[tuple[str, str], evaluation.Variant]:
    """Returns the learned masks and what they are compared with."""
    found = self._found.masks[subroutine]
    seeds = [setting["mask_seed"] for setting in found.settings]
    key = self._key("control", subroutine)
    keys = jax.vmap(lambda seed: jax.random.fold_in(key, seed))(np.array(seeds))
    learned = evaluation.ablations(found.stacked, seeds)
    control = evaluation.ablations(_random_like(found.stacked, keys), seeds)
    return {
      **{("learned", ablation): one for ablation, one in learned.items()},
      **{("random_matched", ablation): control[ablation]
         for ablation in ("none", "zero")},
      # Here too, so that one program serves all subroutines.
      ("dense", "none"): evaluation.dense(found.spec),
    }  # fmt: skip

  def dense_rows(self) -> list[dict[str, Any]]:
    """Rows of the network without a mask: `subroutine` is empty."""
    empty = dict.fromkeys(
      ("mask_seed", *SETTINGS, "candidate", "l0", "l0_max", "density",
       "selected")
    )  # fmt: skip
    return [
      {
        **self._common(task, self._dense[task]),
        **empty,
        "subroutine": "",
        "ablation": "none",
      }
      for task in self._experiment.test_tasks
    ]

  def mask_rows(self, subroutine: str) -> list[dict[str, Any]]:
    """Rows of every mask, ablation and test task."""
    return self._rows(subroutine, "learned")

  def control_rows(self, subroutine: str) -> list[dict[str, Any]]:
    """The same for random masks that keep as many weights in every leaf."""
    control = "random_matched"
    return [
      {**row, "control": control} for row in self._rows(subroutine, control)
    ]

  def forget_features(self) -> None:
    """Removes files that no later step reads."""
    self._frozen.forget_features()

  def density_rows(self, subroutine: str) -> list[dict[str, Any]]:
    """Kept units of every leaf of every mask."""
    found = self._found.masks[subroutine]
    counts = jax.device_get(jax.vmap(masks.kept)(found.stacked))
    return [
      {
        "regime": self._found.regime,
        "base_seed": self._found.base_seed,
        "subroutine": subroutine,
        **setting,
        "leaf": leaf.path,
        "kept": int(counts[leaf.path][index]),
        "size": leaf.num_units,
      }
      for index, setting in enumerate(found.settings)
      for leaf in found.spec.leaves
    ]

  def _rows(self, subroutine: str, name: str) -> list[dict[str, Any]]:
    """Rows of one group of masks."""
    found = self._found.masks[subroutine]
    kept_weights = {
      ablation: variant.kept_weights(found.spec)
      for (group, ablation), variant in self._variants[subroutine].items()
      if group == name
    }
    return [
      {
        **self._common(task, {k: v[index] for k, v in values.items()}),
        "subroutine": subroutine,
        **setting,
        "ablation": ablation,
        "l0": int(kept[index]),
        "l0_max": found.spec.num_weights,
        "density": kept[index] / found.spec.num_weights,
        "selected": True,
      }
      for index, setting in enumerate(found.settings)
      for ablation, kept in kept_weights.items()
      for task, values in self._metrics[subroutine][name, ablation].items()
    ]

  def _common(self, task: str, metrics: dict[str, Any]) -> dict[str, Any]:
    return {
      "experiment": self._experiment.config.experiment,
      "model": self._experiment.config.model.name,
      "regime": self._found.regime,
      "base_seed": self._found.base_seed,
      "test_task": task,
      "accuracy": metrics["accuracy"],
      "loss": metrics["loss"],
      "margin": metrics["margin"],
      "num_problems": self._experiment.num_problems(task)["test"],
      "base_accuracy": self._dense["base"]["accuracy"],
    }

  def _key(self, purpose: str, subroutine: str) -> jax.Array:
    """One draw for each base network of any regime and each subroutine."""
    return purpose_key(
      self._experiment.config.seed,
      purpose,
      self._found.base_seed,
      self._experiment.subroutines.index(subroutine),
    )
