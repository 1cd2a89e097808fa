"""Where does a trained transformer hold the number of the subject?

    python -m launch.prepare_data --config=configs/quickstart.py --workdir=DIR
    python -m launch.train --config=configs/quickstart.py --workdir=DIR
    python -m examples.probe_subject --workdir=DIR --out=docs/results/probing.md

Two words of every sentence are read, [CLS] (from which the network answers) and
the noun of the subject, in trained and in untrained base networks: what each
attention and feed-forward part adds, and the stream after it. The main verb is
singular in all sentences: it gives nothing away. In the control task every form
of a noun ("author", "authors") has a random label.
"""

import argparse
import json
import pathlib
import subprocess

import jax
import numpy as np
from ml_collections import ConfigDict

from structcomp_jax import masks, probing
from structcomp_jax.models import residual
from structcomp_jax.models.pretrained import tokenizers
from structcomp_jax.pipeline.experiment import Experiment
from structcomp_jax.studies import registry
from structcomp_jax.tasks.odd_one_out import syntax
from structcomp_jax.tasks.odd_one_out.syntax import pools

# Tokens of "[CLS] the author ..." that are read.
POSITIONS = {"[CLS]": 0, "subject": 2}
REGIMES = {"trained": "scratch", "untrained": "random_init"}
# What may be masked: the matrices of all layers.
RULES = [("layer_.*/kernel", "weight"), (".*", "frozen")]


def make_splits(sizes, seed, tokenizer):
  """Returns {split: token ids, mask, "labels": number, "types": noun}.

  Args:
    sizes: {split: number of sentences}, which are distinct in all splits.
    seed: of the choice of sentences.
    tokenizer: of the networks.
  """
  pool = pools.make_pools("sv_singular").distinct()
  # Of each number half; that of the verb is singular in both.
  draw, half = np.random.default_rng(seed), sum(sizes.values()) // 2
  drawn = [
    draw.choice(pool[name], half, replace=False) for name in ("ab", "a_flip")
  ]
  sentences, labels = np.concatenate(drawn), np.repeat([0, 1], half)
  order = draw.permutation(2 * half)
  encoded = tokenizers.encode(tokenizer, sentences)
  nouns = probing.type_ids([one.split()[1] for one in sentences])
  every = {**encoded, "labels": labels, "types": nouns}
  ends = np.cumsum(list(sizes.values()))[:-1]
  parts = zip(sizes, np.split(order, ends), strict=True)
  return {
    name: {field: array[part] for field, array in every.items()}
    for name, part in parts
  }


def load_networks(workdir):
  """Returns the model, and {(kind, base seed): weights}."""
  config = ConfigDict(json.loads((workdir / "config.json").read_text()))
  work = Experiment(registry.make_study(config), workdir)
  networks = {
    (kind, seed): work.frozen(regime, seed).params
    for kind, regime in REGIMES.items()
    for seed in config.base_seeds
  }
  return work.study.network.model, networks


def features_of(model):
  """Returns (params, batch) -> {"position site": f32[batch, hidden]}."""

  def feature_fn(params, batch):
    captured = residual.updates(model, params, batch)
    return {
      f"{name} {site}": vectors[:, position]
      for name, position in POSITIONS.items()
      for site, vectors in captured.items()
    }

  return feature_fn


def probe_sites(model, networks, splits, config):
  """Returns the probes of all sites of all networks, from one program."""
  feature_fn, inputs = features_of(model), ("token_ids", "attention_mask")
  tables = {}
  for name, split in splits.items():
    batch = {field: split[field] for field in inputs}
    tables[name] = {field: split[field] for field in ("labels", "types")}
    tables[name]["features"] = {
      f"{kind} {seed} {site}": found
      for (kind, seed), params in networks.items()
      for site, found in probing.compute_features(
        feature_fn, params, batch
      ).items()
    }
  return probing.run_linear(
    tables["train"],
    tables["validation"],
    tables["test"],
    config,
    key=jax.random.key(0),
  )


def probe_subnetworks(model, networks, splits, config):
  """Returns masks with probes on [CLS], of all networks at once."""

  def feature_fn(params, batch):
    return model.apply({"params": params}, batch)

  one_network = next(iter(networks.values()))
  return probing.run_subnetwork(
    feature_fn,
    {f"{kind} {seed}": params for (kind, seed), params in networks.items()},
    masks.select(one_network, RULES),
    splits["train"],
    splits["test"],
    config,
    key=jax.random.key(0),
  )


def over_networks(lines, kind_of):
  """Returns {kind: {measure: (mean, spread over networks)}}."""
  kinds = {}
  for line in lines:
    kinds.setdefault(kind_of(line), []).append(line)
  return {
    kind: {
      name: (
        np.mean([line[name] for line in group]),
        np.std([line[name] for line in group], ddof=min(1, len(group) - 1)),
      )
      for name in ("accuracy", "control", "selectivity", "kept", "control_kept")
      if name in group[0]
    }
    for kind, group in kinds.items()
  }


def cells(found):
  """Returns accuracy, control and selectivity as cells of a table."""
  names = ("accuracy", "control", "selectivity")
  return [f"{found[name][0]:.2f} ± {found[name][1]:.2f}" for name in names]


def table_of_sites(lines):
  """Returns lines of Markdown: trained beside untrained networks."""
  found = over_networks(
    lines, lambda line: tuple(line["site"].split(" ")[i] for i in (0, 2, 3))
  )
  header = ["position", "site", *(f"{kind}: {name}" for kind in REGIMES
            for name in ("accuracy", "control", "selectivity"))]  # fmt: skip
  rows = [
    [position, f"`{site}`"]
    + [cell for kind in REGIMES for cell in cells(found[kind, position, site])]
    for kind, position, site in found
    if kind == "trained"
  ]
  return markdown([header, *rows])


def table_of_subnetworks(lines):
  """Returns lines of Markdown."""
  found = over_networks(
    lines, lambda line: (line["network"].split(" ")[0], line["penalty"])
  )
  header = ["networks", "penalty", "kept", "kept for control", "accuracy",
            "control", "selectivity"]  # fmt: skip
  rows = [
    [
      kind,
      "none: probe alone" if penalty is None else f"{penalty:g}",
      f"{row['kept'][0]:.0f}",
      f"{row['control_kept'][0]:.0f}",
      *cells(row),
    ]
    for (kind, penalty), row in found.items()
  ]
  return markdown([header, *rows])


def markdown(rows):
  """Returns a table in Markdown."""
  rows = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
  return ["| " + " | ".join(row) + " |" for row in rows]


def commit():
  """Returns the commit of the code, "unknown" outside of a checkout."""
  found = subprocess.run(
    ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True
  )
  return found.stdout.strip() or "unknown"


def page(args, code, sites, subnetworks):
  """Returns the page of results, with what it takes to get it again."""
  config = json.loads((args.workdir / "config.json").read_text())
  sizes = ", ".join(f"{name} {n}" for name, n in sizes_of(args).items())
  return [
    "# Probes: the number of the subject",
    "",
    f"Written by `python -m examples.probe_subject` at commit {code}; how to "
    "read it: [probing](../probing.md).",
    "",
    f"- Networks: {config['model']['name']}, experiment "
    f"{config['experiment']}, base seeds "
    f"{', '.join(map(str, config['base_seeds']))}; trained, and as they were "
    "before.",
    f"- Sentences: {sizes}; drawn with seed {args.seed}. Probe seeds: "
    f"{args.seeds} of linear probes, {args.mask_seeds} of masks.",
    "- Label: the number of the subject. Control: a random label for every "
    "form of its noun.",
    f"- Accuracy on the test sentences, mean ± standard deviation over "
    f"{len(config['base_seeds'])} networks (each a mean over the probe seeds). "
    f"The most frequent label has {sites.majority:.2f}; {sites.seen:.0%} of "
    "the test sentences have a noun of the training sentences.",
    "",
    "## Linear probes, site by site",
    "",
    *table_of_sites(sites.summary()),
    "",
    "## Subnetwork probes on [CLS]",
    "",
    "Weights kept by the masks for the number, and by those for the control "
    "labels.",
    "",
    *table_of_subnetworks(subnetworks.summary()),
    "",
  ]


def sizes_of(args):
  """Returns {split: number of sentences}."""
  held_out = args.num_train // 4
  return {"train": args.num_train, "validation": held_out, "test": held_out}


def main(arguments=None):
  """Probes, prints the page, and returns both results."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--workdir", type=pathlib.Path, required=True)
  parser.add_argument("--out", type=pathlib.Path)
  parser.add_argument("--seed", type=int, default=0)
  parser.add_argument("--seeds", type=int, default=2, help="of linear probes")
  parser.add_argument("--num_train", type=int, default=2000)
  parser.add_argument("--probe_epochs", type=int, default=100)
  parser.add_argument("--mask_epochs", type=int, default=10)
  parser.add_argument("--mask_seeds", type=int, default=1)
  args = parser.parse_args(arguments)
  seeds = tuple(range(args.seeds))
  code = commit()
  tokenizer = tokenizers.word_tokenizer(syntax.vocabulary())
  splits = make_splits(sizes_of(args), args.seed, tokenizer)
  model, networks = load_networks(args.workdir)
  sites = probe_sites(
    model,
    networks,
    splits,
    probing.ProbeConfig(num_epochs=args.probe_epochs, seeds=seeds),
  )
  settings = probing.SubnetworkConfig(
    num_epochs=args.mask_epochs,
    seeds=tuple(range(args.mask_seeds)),
    penalties=(0.0, 1e-5, 1e-4),
    vmap_width=1,
  )
  subnetworks = probe_subnetworks(model, networks, splits, settings)
  lines = page(args, code, sites, subnetworks)
  print("\n".join(lines))
  if args.out:
    args.out.write_text("\n".join(lines), encoding="utf-8")
  return sites, subnetworks


if __name__ == "__main__":
  main()
