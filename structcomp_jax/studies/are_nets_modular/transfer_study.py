"""The study of permuted pictures: are weights of one task used in the next?"""

import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from structcomp_jax import evaluation, masks, search, trees, types
from structcomp_jax.engine.plan import refuse_model_devices
from structcomp_jax.io import mask_files
from structcomp_jax.io.layout import MASKS
from structcomp_jax.io.tables import Schema
from structcomp_jax.models import mlp, staged
from structcomp_jax.pipeline import checks, parts, tables
from structcomp_jax.pipeline.config import Runtime
from structcomp_jax.pipeline.experiment import Experiment
from structcomp_jax.pipeline.sizes import make_sizes
from structcomp_jax.pipeline.study import DataSet, param_shapes, sizes_of
from structcomp_jax.studies.are_nets_modular import config as sections
from structcomp_jax.studies.are_nets_modular import transfer
from structcomp_jax.studies.are_nets_modular.columns import SHARES
from structcomp_jax.studies.are_nets_modular.image_network import ImageNetwork
from structcomp_jax.studies.are_nets_modular.page import transfer_report
from structcomp_jax.tasks import images

EXPERIMENTS = ("permuted_mnist",)
_CHOICES = {
  "data.policy": ("published",),
  "data.source": ("mnist", "digits"),
  "model.family": ("mlp",),
  "regimes": (transfer.TRANSFER, transfer.REDRAWN),
}


class PermutedTransfer:
  """A `pipeline.Study`: weights and masks are learned together, task by task.

  Attributes:
    config: the locked config.
    network: the classifier, which is also what masks are tested in.
    num_permutations: with the one that changes nothing.
    runtime: how the machine is used.
    mask_search: the section `search`.
  """

  tables: Mapping[str, Schema] = {
    "results": tables.results_schema(),
    "shares": SHARES,
  }

  def __init__(self, config: ConfigDict, network: ImageNetwork):
    self.config, self.network = config, network
    self.frozen_network = network
    self.num_permutations = config.data.num_permutations + 1
    self.runtime = Runtime(**config.runtime)
    with checks.section("search"):
      self.mask_search = sections.MaskSearch(
        **config.search.to_dict(), penalty_batch_size=config.search.batch_size
      )

  @functools.cached_property
  def datasets(self) -> Mapping[str, DataSet]:
    """{task: data set}, one for every permutation."""
    source = self.config.data.source
    sizes = sizes_of(
      self.config.data.num_problems, images.SOURCES[source].split_sizes
    )
    return {
      self.task(number): DataSet(
        name=f"images/{source}",
        sizes=sizes,
        encode=functools.partial(self._encode, number),
      )
      for number in range(self.num_permutations)
    }

  @property
  def subroutines(self) -> tuple[str, ...]:
    """Names of the masks, which are those of their tasks."""
    return tuple(self.datasets)

  @property
  def used_together(self) -> list[list[tuple[str, str]]]:
    """What one permutation reads."""
    return [[(task, "train"), (task, "validation")] for task in self.datasets]

  @property
  def spec(self) -> masks.MaskSpec:
    """All weights and biases are masked."""
    return transfer.spec_of(self.shapes())

  def task(self, number: int) -> str:
    """Returns the name of a permutation."""
    return f"permutation_{number}"

  def shapes(self) -> types.Params:
    """Returns the shapes of the weights."""
    return param_shapes(self.network)

  def masked_stages(self, masked_from: Any) -> Sequence[str]:
    """Returns the stages that are masked from a first one on."""
    return staged.stages_from(
      self.network.stages, masked_from, name="masked_from"
    )

  def mask_rules(self, masked_from: Any) -> list[masks.Rule]:
    """Masks everything."""
    return [(".*", "weight")]

  def search_config(self, **changes: Any) -> search.SearchConfig:
    """Returns the settings of one permutation, some of them changed."""
    return self.mask_search.search_config(
      self.runtime, self.config.evaluation.batch_size, **changes
    )

  def data_to_prepare(self) -> dict[str, Mapping[str, int]]:
    """Returns the one data set, whose pixels are permuted when it is read."""
    first = next(iter(self.datasets.values()))
    return {first.name: first.sizes}

  def about_data(self) -> list[str]:
    """Says what the tests share with training."""
    return images.separation(self.config.data.source)

  def sample(self, num_problems: int) -> np.ndarray:
    """Returns noise in the place of stored pictures."""
    return images.noise(self.config.data.source, num_problems)

  def outline(self) -> NoReturn:
    """Raises UserError: there is no plan of weights and masks together."""
    raise types.UserError(
      f"there is no plan for {self.config.experiment}, which learns weights "
      "and masks together; leave out --plan"
    )

  def train(self, work: Experiment) -> None:
    """Does nothing: weights are learned together with masks, in `search`."""

  def search(self, work: Experiment) -> None:
    """Learns every permutation, one after another."""
    transfer.learn(self, work)

  def test(
    self, work: Experiment, regime: str, base_seed: int
  ) -> tuple[Sequence[parts.Part], bool]:
    """Tests the networks of one base seed, and counts what they share."""
    rows = [
      index
      for index, row in enumerate(transfer.rows_of(work.config))
      if (row.regime, row.base_seed) == (regime, base_seed)
    ]
    found = [
      transfer.load(self, work, number)
      for number in range(self.num_permutations)
    ]
    own = np.array(rows)
    digest = trees.fingerprint(
      [trees.row((one.params, dict(one.logits)), own) for one in found]
    )
    return parts.recall(
      work.paths.evaluation(regime, base_seed),
      [digest],
      self.tables,
      lambda digests: {digests[0]: self._part(work, found, rows)},
    )

  def is_decided(self, workdir: pathlib.Path) -> bool:
    """Returns True: this study adds no base seeds by itself."""
    return True

  def report(self, workdirs: Sequence[pathlib.Path], out: pathlib.Path) -> None:
    """Writes the page, and prints the verdicts and where it lies."""
    transfer_report.write(workdirs, out)

  def _encode(self, number: int, problems: np.ndarray) -> types.Batch:
    pixels, labels = images.pixels_and_labels(self.config.data.source, problems)
    return {"images": transfer.permuted(pixels, number), "label": labels}

  def _part(
    self,
    work: Experiment,
    found: Sequence[transfer.Learned],
    rows: Sequence[int],
  ) -> parts.Part:
    """Returns the rows of the tables, and stores the masks."""
    part: parts.Part = {"results": [], "shares": []}
    chains = transfer.rows_of(work.config)
    for number, one in enumerate(found):
      self._store_masks(work, one, rows, number)
      for candidate, index in enumerate(rows):
        chain = chains[index]
        which = {
          "regime": chain.regime,
          "base_seed": chain.base_seed,
          "subroutine": self.task(number),
          "mask_init": chain.new_init,
        }
        part["results"].append(
          {**which, **self._tested(work, one, index, number, candidate)}
        )
        earlier = [before.masks(index) for before in found[:number]]
        used = transfer.used_before(earlier, self.network.stages[0])
        part["shares"] += _share_rows(which, number, one.masks(index), used)
    return part

  def _tested(
    self,
    work: Experiment,
    one: transfer.Learned,
    index: int,
    number: int,
    candidate: int,
  ) -> dict[str, Any]:
    """Returns the columns of results.csv of one network."""
    mask, task = one.masks(index), self.task(number)
    stacked = {path: jnp.asarray(leaf)[None] for path, leaf in mask.items()}
    examples = work.load(task, "test")
    measured = evaluation.evaluate(
      self.network.metrics_fn,
      jax.tree.map(jnp.asarray, trees.row(one.params, index)),
      self.spec,
      {"none": evaluation.Variant(stacked, (0,))},
      {task: examples},
      key=work.key("ablation"),
      batch_size=work.config.evaluation.batch_size,
    )["none"][task]
    config = self.search_config()
    return {
      "experiment": work.config.experiment,
      "model": work.config.model.name,
      "mask_seed": 0,
      "learning_rate": config.learning_rates[0],
      "penalty": config.penalties[0],
      "masked_from": self.mask_search.masked_from[0],
      "ablation": "none",
      "test_task": task,
      "accuracy": measured["accuracy"][0],
      "loss": measured["loss"][0],
      "num_problems": trees.num_rows(examples),
      "l0": int(sum(leaf.sum() for leaf in mask.values())),
      "l0_max": self.spec.num_weights,
      "candidate": candidate,
    }

  def _store_masks(
    self,
    work: Experiment,
    one: transfer.Learned,
    rows: Sequence[int],
    number: int,
  ) -> None:
    """Writes the masks of a base seed, one row for every initial logit."""
    chains = transfer.rows_of(work.config)
    first, config = chains[rows[0]], self.search_config()
    directory = work.paths.masks(
      first.regime, first.base_seed, self.task(number)
    )
    own = np.array(rows)
    count = len(rows)
    mask_files.save(
      directory / MASKS,
      {path: leaf[own] > 0 for path, leaf in one.logits.items()},
      fingerprint=trees.fingerprint(trees.row(one.params, own)),
      stacked=True,
      metadata={
        "mask_seed": [0] * count,
        "learning_rate": [config.learning_rates[0]] * count,
        "mask_init": [chains[index].new_init for index in rows],
        "penalty": [config.penalties[0]] * count,
        "finite": [bool(one.finite[index]) for index in rows],
      },
    )


def _share_rows(
  which: Mapping[str, Any],
  number: int,
  mask: types.AnyMask,
  used: types.AnyMask | None,
) -> list[dict[str, Any]]:
  """Returns how many weights of every leaf earlier masks have kept, too."""
  if used is None:
    return []
  return [
    {
      **{name: which[name] for name in ("regime", "base_seed", "mask_init")},
      "permutation": number,
      "leaf": path,
      "size": leaf.size,
      "kept": int(leaf.sum()),
      "used": int(used[path].sum()),
      "both": int((leaf & used[path]).sum()),
    }
    for path, leaf in mask.items()
  ]


def make(config: ConfigDict) -> PermutedTransfer:
  """Checks a config and makes its objects; reads no data yet.

  Raises:
    UserError: a value names nothing that exists or fits nothing else.
  """
  sections.check_search(config, _CHOICES)
  checks.integers(config, "data.num_permutations", 1)
  checks.distinct(config, "transfer.new_inits")
  checks.finite(config, "transfer.new_inits")
  source = images.SOURCES[config.data.source]
  model = mlp.Mlp(
    make_sizes(
      config.model,
      mlp.MlpConfig,
      num_inputs=source.num_pixels,
      num_outputs=len(source.classes),
    )
  )
  network = ImageNetwork(
    model,
    shape=(source.side, source.side, source.channels),
    num_classes=len(source.classes),
    mean=(float(source.mean[0]),),
    std=(float(source.std[0]),),
    is_flat=True,
  ).in_dtype("float32")
  study = PermutedTransfer(config, network)
  with checks.section("search"):
    study.search_config().candidates()
  refuse_model_devices(
    study.search_config(), "a search of masks and weights together"
  )
  return study
