"""The page about permuted pictures."""

import importlib.resources
import pathlib
import string
from collections.abc import Iterator, Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from structcomp_jax.pipeline import tables as pipeline_tables
from structcomp_jax.report import downloads, markup, methods, pages, style
from structcomp_jax.report import verdicts as verdict_files
from structcomp_jax.report import workdir as workdirs_module
from structcomp_jax.report.markup import escape, number
from structcomp_jax.studies import citations
from structcomp_jax.studies.are_nets_modular.columns import SHARES
from structcomp_jax.studies.are_nets_modular.findings import transfer_sharing
from structcomp_jax.studies.are_nets_modular.findings.transfer_sharing import (
  Findings,
)
from structcomp_jax.studies.are_nets_modular.page import tables, verdicts
from structcomp_jax.studies.are_nets_modular.regimes import LABELS
from structcomp_jax.studies.are_nets_modular.transfer import REDRAWN, TRANSFER
from structcomp_jax.types import UserError

_DONE = (
  "A network learned pictures of ten classes, then the same pictures with their"
  " pixels in another order, and so on. Weights and a <b>mask</b>, one yes/no"
  " switch per weight, were learned together; a small penalty switches off what"
  " is not needed. Weights that an earlier mask keeps stay as they are, and the"
  " new mask may keep them or not. The first layer is drawn anew every time,"
  " because it has to undo the permutation; all later layers could be used"
  " again as they are."
)
_SHARE_CAPTION = (
  "<b>Which share of a mask's weights earlier masks keep, too,</b> layer by"
  " layer; T2 is the second permuted task. Bands: standard deviation between"
  " base seeds. Noise floors: dashed, random masks with as many weights; grey,"
  " chains where the weights that stay were drawn anew. The published figure"
  " has an axis from 0 to 1."
)
_ACCURACY_CAPTION = (
  "<b>Accuracy of every permutation under its own mask,</b> when it has just"
  " been learned. Earlier permutations stop working, which is meant. Noise"
  " floor: a random answer is right in 10 % of all cases."
)
_METHODS = (
  "We learned {num_permutations} permutations of {source} one after another,"
  " following Csord\u00e1s et al. (2021), with networks of the kind"
  " {model[name]}.",
  "Weights and mask logits were learned together for {search[num_steps]:,}"
  " steps of Adam (step size {search[learning_rates]}, batches of"
  " {search[batch_size]}, {search[num_mask_samples]} mask samples per batch);"
  " every logit cost {search[betas]} divided by the batch size. Logits of"
  " weights that an earlier mask keeps began at {search[init_logits]}, those of"
  " others at {new_inits}.",
  "There were {num_seeds} base seeds.",
)


def write(
  workdirs: Sequence[str | pathlib.Path], out: str | pathlib.Path
) -> None:
  """Writes the page and its verdicts; prints them and where it lies.

  Raises:
    UserError: an input is missing or torn, or the page cannot be written.
  """
  if not workdirs:
    raise UserError("there is nothing to report; name a work directory")
  schemas = {"results": pipeline_tables.results_schema(), "shares": SHARES}
  found = [
    transfer_sharing.conclude(workdirs_module.read(path, schemas))
    for path in workdirs
  ]
  records = [one.record() for each in found for one in each.verdicts]
  files = downloads.of_workdirs([one.workdir for one in found])
  files["verdicts.json"] = verdict_files.to_json(records).encode()
  path = pages.save(out, _page(found, files), records)
  for each in found:
    print(each.title)
    for one in each.verdicts:
      print(f"  {one.network[2]}, {one.question}: {one.label.upper()}.")
      print(f"    {one.sentence}")
  print(f"report: {path.resolve()}")


def _page(found: Sequence[Findings], files: dict[str, bytes]) -> str:
  template = importlib.resources.files(__package__) / "page.html"
  body = string.Template(template.read_text()).substitute(
    done=_DONE,
    overview=verdicts.overview(found),
    cards="\n".join(
      verdicts.card(each.title, one) for each in found for one in each.verdicts
    ),
    rules="".join(f"<li>{rule}</li>" for rule in transfer_sharing.RULES),
    sections="\n".join(part for each in found for part in _section(each)),
    back_matter=pages.back_matter(
      methods.section(
        [methods.paragraph(_METHODS, _values(one)) for one in found],
        [citations.ARE_NETS_MODULAR],
        methods.NOTE,
      ),
      files,
      [one.workdir for one in found],
    ),
  )
  return pages.framed("Are neural nets modular? Permuted pictures", body)


def _values(found: Findings) -> dict[str, object]:
  config = found.workdir.config
  return {
    "num_permutations": str(found.results["test_task"].nunique()),
    "source": config["data"]["source"],
    "model": config["model"],
    "search": config["search"],
    "new_inits": methods.listed(
      [f"{one:g}" for one in config["transfer"]["new_inits"]]
    ),
    "num_seeds": str(found.results["base_seed"].nunique()),
  }


def _section(found: Findings) -> Iterator[str]:
  yield f"<h2>{escape(found.title)}</h2>"
  yield markup.figure(
    share_figure(found.shares), _SHARE_CAPTION, "Share of weights used again"
  )
  yield markup.folded("The numbers", _share_table(found.shares))
  yield markup.figure(
    accuracy_figure(found.results), _ACCURACY_CAPTION, "Accuracy"
  )
  yield markup.folded("The numbers", _accuracy_table(found.results))


@style.styled
def share_figure(shares: pd.DataFrame) -> Figure:
  """Draws the share of weights that are used again, layer by layer.

  Args:
    shares: of `transfer_sharing.counted`.
  """
  table = transfer_sharing.by_layer(shares)
  layers = list(dict.fromkeys(table["layer"]))
  inits = list(dict.fromkeys(table["mask_init"]))
  figure, axes = style.panels(
    len(inits), len(layers), width=3.2, height=2.3, sharey=True
  )
  for line, new_init in enumerate(inits):
    for column, layer in enumerate(layers):
      axis = axes[line][column]
      for regime, colour in (
        (TRANSFER, style.PALETTE[line]),
        (REDRAWN, style.GREY),
      ):
        rows = table[
          (table["regime"] == regime)
          & (table["mask_init"] == new_init)
          & (table["layer"] == layer)
        ].sort_values("permutation")
        mean, spread = rows["share_mean"], rows["share_sd"].fillna(0.0)
        axis.plot(rows["permutation"], mean, color=colour, lw=1.8)
        axis.fill_between(
          rows["permutation"],
          mean - spread,
          mean + spread,
          color=colour,
          alpha=0.2,
          lw=0,
        )
        if regime == TRANSFER:
          axis.plot(
            rows["permutation"],
            rows["chance_mean"],
            color="#333333",
            lw=1,
            linestyle="--",
          )
      axis.set(ylim=(-0.03, 1.05), title=f"{layer}, new at {new_init:g}")
      ticks = sorted(table["permutation"].unique())[::2]
      axis.set_xticks(ticks, [f"T{tick + 1:g}" for tick in ticks])
    axes[line][0].set_ylabel("share used again")
  handles = [
    Line2D([], [], color=style.PALETTE[0], label=LABELS.name(TRANSFER)),
    Line2D([], [], color=style.GREY, label=LABELS.name(REDRAWN)),
    Line2D([], [], color="#333333", linestyle="--", label="random masks"),
  ]
  figure.legend(
    handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=3
  )
  return figure


@style.styled
def accuracy_figure(results: pd.DataFrame) -> Figure:
  """Draws how well every permutation is learned."""
  table = transfer_sharing.accuracy(results)
  regimes = list(dict.fromkeys(table["regime"]))
  figure, axes = style.panels(1, len(regimes), width=4.6, height=2.6)
  inits = list(dict.fromkeys(table["mask_init"]))
  for axis, regime in zip(axes[0], regimes, strict=True):
    for place, new_init in enumerate(inits):
      rows = table[
        (table["regime"] == regime) & (table["mask_init"] == new_init)
      ]
      axis.errorbar(
        [int(task.rpartition("_")[2]) for task in rows["test_task"]],
        rows["accuracy_mean"],
        rows["accuracy_sd"].fillna(0.0),
        color=style.PALETTE[place],
        label=f"new weights at {new_init:g}",
        lw=1.2,
      )
    axis.axhline(0.1, color="#333333", lw=1, linestyle=":")
    axis.set(
      title=LABELS.name(regime),
      xlabel="permutation",
      ylabel="accuracy",
      ylim=(-0.03, 1.05),
    )
  axes[0][0].legend(fontsize=8, loc="lower left")
  return figure


def _share_table(shares: pd.DataFrame) -> str:
  table = transfer_sharing.by_layer(shares)
  numbers = sorted(table["permutation"].unique())
  tasks = (f"T{one + 1:g}" for one in numbers)
  header = ["chains", "new weights at", "layer", *tasks]
  lines = []
  keys = ["regime", "mask_init", "layer"]
  for (regime, new_init, layer), group in table.groupby(keys, sort=False):
    rows = group.set_index("permutation").reindex(numbers)
    lines.append(
      [
        escape(LABELS.name(regime)),
        f"{new_init:g}",
        escape(layer),
        *(
          f"{number(share)}<br><small>({number(chance)})</small>"
          for share, chance in zip(
            rows["share_mean"], rows["chance_mean"], strict=True
          )
        ),
      ]
    )
  return (
    markup.table(header, lines, css_class="small")
    + "<p><small>In brackets: random masks.</small></p>"
  )


def _accuracy_table(results: pd.DataFrame) -> str:
  table = transfer_sharing.accuracy(results)
  tasks = list(dict.fromkeys(table["test_task"]))
  header = ["chains", "new weights at", *(escape(task) for task in tasks)]
  lines = []
  for (regime, new_init), group in table.groupby(
    ["regime", "mask_init"], sort=False
  ):
    rows = group.set_index("test_task").reindex(tasks)
    cells = [
      tables.points(mean, spread)
      for mean, spread in zip(
        rows["accuracy_mean"], rows["accuracy_sd"], strict=True
      )
    ]
    lines.append([escape(LABELS.name(regime)), f"{new_init:g}", *cells])
  return markup.table(header, lines, css_class="small")
