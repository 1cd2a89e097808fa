"""Transfer: which share of a mask's weights did earlier masks keep, too?

Of the mask of permutation p and the weights that any earlier mask keeps
(`used`), in a layer of n weights,

    share  = |mask and used| / |mask|
    chance = |used| / n, the share of a random mask.

Counted are the weights of the layers after the first one, which is drawn anew
for every permutation, without biases.
"""

import dataclasses

import pandas as pd

from structcomp_jax.report.grades import Grade
from structcomp_jax.report.workdir import Workdir
from structcomp_jax.structure.overlap import ratio
from structcomp_jax.studies.are_nets_modular.findings import effects, verdict
from structcomp_jax.studies.are_nets_modular.findings.accuracies import (
  between_networks,
)
from structcomp_jax.studies.are_nets_modular.findings.effects import Effect
from structcomp_jax.studies.are_nets_modular.findings.verdict import (
  Verdict,
  percent,
)
from structcomp_jax.studies.are_nets_modular.transfer import (
  REDRAWN,
)
from structcomp_jax.types import UserError

QUESTION = "transfer"
WORDS = "New weights at {:g}: are those of earlier permutations used again?"
# A mask that cannot do its permutation says nothing about it.
LEAST = 0.7
MINIMUM_EFFECT = 0.05
_CHAIN = ["regime", "base_seed", "mask_init"]

REUSED = "used again beyond chance"
HABIT = "used again, learned or not"
CHANCE = "no more than chance"
AVOIDED = "avoided"
UNCLEAR = "unclear"

RULES = (
  "<b>Transfer.</b> The share of the weights of a mask that earlier masks keep,"
  " too, over all layers but the first and over all permutations but the"
  " identity, minus that of random masks with as many weights in every layer."
  f" <b>{REUSED.capitalize()}</b>: the mean over base seeds is at least"
  f" {MINIMUM_EFFECT:g} and its 95 % t interval is above 0 (“probably”: every"
  " base seed's is), and the same holds against chains of the same base seeds"
  " where the weights that stay were drawn anew, so that nothing that was"
  f" learned can be used again. <b>{HABIT.capitalize()}</b>: only the first of"
  f" both holds. <b>{AVOIDED.capitalize()}</b>: the same below 0."
  f" <b>{CHANCE.capitalize()}</b>: the interval lies within"
  f" ±{MINIMUM_EFFECT:g}. Otherwise <b>{UNCLEAR}</b>. Base seeds count whose"
  f" masks solve their permutations (mean accuracy at least {LEAST:g}).",
)


@dataclasses.dataclass(frozen=True)
class Findings:
  """What was found in one work directory.

  Attributes:
    title: how the page calls it.
    experiment, model: names.
    results: rows of results.csv.
    shares: rows of shares.csv of the weights that count, with `share`,
      `chance` and `layer`.
    verdicts: one per initial logit, then one per control.
    workdir: where it comes from.
  """

  title: str
  experiment: str
  model: str
  results: pd.DataFrame
  shares: pd.DataFrame
  verdicts: tuple[Verdict, ...]
  workdir: Workdir


def conclude(one: Workdir) -> Findings:
  """Judges the chains of a work directory.

  Raises:
    UserError: it has no shares.
  """
  if "shares" not in one.tables:
    raise UserError(f"{one.path} has no shares.csv; run the evaluation again")
  first = one.results.iloc[0]
  experiment, model = str(first["experiment"]), str(first["model"])
  shares = counted(one.tables["shares"])
  verdicts = [
    _judge((experiment, model, regime), one.results, shares, new_init)
    for regime in dict.fromkeys(shares["regime"])
    for new_init in dict.fromkeys(shares["mask_init"])
  ]
  return Findings(
    title=f"{experiment}, {model}",
    experiment=experiment,
    model=model,
    results=one.results,
    shares=shares,
    verdicts=tuple(verdicts),
    workdir=one,
  )


def counted(shares: pd.DataFrame) -> pd.DataFrame:
  """Returns the rows of weights after the first layer, with their shares."""
  layers = shares["leaf"].str.split("/").str[0]
  names = list(dict.fromkeys(layers.sort_values()))
  is_counted = shares["leaf"].str.endswith("kernel") & (layers != names[0])
  rows = shares[is_counted].assign(layer=layers[is_counted])
  return rows.assign(
    share=ratio(rows["both"], rows["kept"]),
    chance=ratio(rows["used"], rows["size"]),
    expected=rows["kept"] * rows["used"] / rows["size"],
  )


def pooled(shares: pd.DataFrame) -> pd.DataFrame:
  """Returns shares over all layers and permutations, chain by chain.

  Returns:
    `regime`, `base_seed`, `mask_init`, `share`, `chance`, `density` (of the
    weights, how many a mask keeps): means over permutations, of all layers
    together.
  """
  counts = ["both", "kept", "expected", "size"]
  sums = shares.groupby([*_CHAIN, "permutation"], sort=False)[counts].sum()
  sums = sums.assign(
    share=ratio(sums["both"], sums["kept"]),
    chance=ratio(sums["expected"], sums["kept"]),
    density=ratio(sums["kept"], sums["size"]),
  )
  chains = sums.groupby(level=_CHAIN, sort=False)
  return chains[["share", "chance", "density"]].mean().reset_index()


def by_chain(results: pd.DataFrame, shares: pd.DataFrame) -> pd.DataFrame:
  """Returns means over permutations, then over base seeds.

  Returns:
    `regime`, `mask_init`, means and spreads of `accuracy`, `density`, `share`
    and `chance`, `num_networks`.
  """
  solved = results.groupby(_CHAIN, sort=False)["accuracy"].mean().reset_index()
  return between_networks(
    pooled(shares).merge(solved, on=_CHAIN),
    ["regime", "mask_init"],
    ["accuracy", "density", "share", "chance"],
  )


def by_layer(shares: pd.DataFrame) -> pd.DataFrame:
  """Returns means over base seeds, layer by layer.

  Returns:
    `regime`, `mask_init`, `layer`, `permutation`, means and spreads of `share`
    and `chance`, `num_networks`.
  """
  return between_networks(
    shares,
    ["regime", "mask_init", "layer", "permutation"],
    ["share", "chance"],
  )


def accuracy(results: pd.DataFrame) -> pd.DataFrame:
  """Returns accuracies, permutation by permutation, over base seeds."""
  return between_networks(
    results, ["regime", "mask_init", "test_task"], ["accuracy"]
  )


def _judge(
  network: tuple[str, str, str],
  results: pd.DataFrame,
  shares: pd.DataFrame,
  new_init: float,
) -> Verdict:
  regime = network[2]
  question = f"{QUESTION}, new weights at {new_init:g}"
  words = WORDS.format(new_init)
  table = _chains(shares, results, regime, new_init)
  means = f"share {percent(table['share'].mean())}"
  floor = f"random masks {percent(table['chance'].mean())}"
  if regime == REDRAWN:
    sentence = (
      "Weights that stay were drawn anew, so nothing that was learned can be"
      f" used again: {means}, {floor}."
    )
    return Verdict(
      question, words, network, verdict.CONTROL_LABEL, sentence, means, floor
    )
  if len(table) < 2:
    solved = percent(_of(results, regime, new_init)["accuracy"].mean())
    sentence = (
      f"Masks solve their permutations in {len(table)} base seeds (mean"
      f" accuracy {solved}, wanted {LEAST:g}); two are needed. Raise"
      " search.num_steps."
    )
    return Verdict(question, words, network, verdict.CANNOT, sentence)
  theirs = _chains(shares, results, REDRAWN, new_init)
  effect = _effect(new_init, table, theirs)
  label, sentence = _answer(effect, f"{means}; {floor}")
  if len(theirs):
    redrawn = percent(theirs["share"].mean())
    floor = f"{floor}; weights drawn anew {redrawn}"
  return Verdict(
    question,
    words,
    network,
    label,
    sentence,
    effect=means,
    floor=floor,
    notes=effects.notes((effect,)),
    effects=(effect,),
  )


def _of(table: pd.DataFrame, regime: str, new_init: float) -> pd.DataFrame:
  is_its = (table["regime"] == regime) & (table["mask_init"] == new_init)
  return table[is_its]


def _chains(
  shares: pd.DataFrame, results: pd.DataFrame, regime: str, new_init: float
) -> pd.DataFrame:
  """Returns the chains that count, indexed by `base_seed`."""
  table = pooled(_of(shares, regime, new_init)).set_index("base_seed")
  if regime == REDRAWN:
    return table
  solved = _of(results, regime, new_init).groupby("base_seed")["accuracy"]
  means = solved.mean()
  return table[table.index.isin(means[means >= LEAST].index)]


def _effect(
  new_init: float, table: pd.DataFrame, theirs: pd.DataFrame
) -> Effect:
  beyond = table["share"] - table["chance"]
  by_network = effects.by_network(beyond)
  return Effect(
    name="beyond_chance",
    about=f"{new_init:g}",
    words="share of weights used again, beyond chance",
    mean=float(beyond.mean()),
    by_network=by_network,
    num_masks=len(beyond),
    against={
      "random masks": effects.above_zero(beyond, MINIMUM_EFFECT),
      "fewer than random masks": effects.above_zero(-beyond, MINIMUM_EFFECT),
      # Not beyond chance, which depends on what is used already.
      "weights drawn anew": effects.above_other(
        table["share"], theirs["share"], MINIMUM_EFFECT
      ),
    },
    deciding=("random masks",),
  )


def _answer(effect: Effect, numbers: str) -> tuple[str, str]:
  above, below, drawn = effect.against.values()
  if above is not None and above.grade >= Grade.CONSISTENT:
    often = "Masks keep weights of earlier permutations more often than chance,"
    if drawn is None or drawn.grade < Grade.CONSISTENT:
      return HABIT, (
        f"{often} but not clearly more than where these were drawn anew"
        f" ({numbers})."
      )
    return verdict.probably(REUSED, min(above.grade, drawn.grade)), (
      f"{often} more than where these were drawn anew, so what was learned is"
      f" used ({numbers})."
    )
  if below is not None and below.grade >= Grade.CONSISTENT:
    return verdict.probably(AVOIDED, below.grade), (
      "Masks keep weights of earlier permutations less often than chance"
      f" ({numbers})."
    )
  estimate = above.estimate if above else None
  if estimate is not None and (
    estimate.interval[0] > -MINIMUM_EFFECT
    and estimate.interval[1] < MINIMUM_EFFECT
  ):
    return CHANCE, (
      "Masks keep weights of earlier permutations as random ones do"
      f" ({numbers})."
    )
  words = f"How many are used again depends on the base seed ({numbers})."
  return UNCLEAR, words
