# %% [markdown]
# # A published row
#
# One experiment of [Break It Down](https://arxiv.org/abs/2301.10884) (Lepori,
# Serre and Pavlick 2023) at a size that two cores do in a minute: subject-verb
# agreement in the plural, beside the published numbers. The network is a BERT
# of 2 layers of width 64 instead of BERT-small, there is one instead of three,
# and one search per mask instead of three. [Its file](published_row.py).

# %%
import pathlib
import subprocess
import sys
import tempfile

import pandas as pd

from structcomp_jax.studies import mask_view
from structcomp_jax.studies.break_it_down.findings import conclude, published

# %% [markdown]
# ## The whole experiment is one command
#
# In a terminal: `structcomp run --config=language/sv_plural:small
# --workdir=DIR`. Flags make it smaller. It makes the problems, trains a
# network, draws a second one that stays untrained, searches a mask for
# "subject" and one for "verb" in both, tests all of it, and writes the report.

# %%
workdir = pathlib.Path(tempfile.mkdtemp()) / "sv_plural"
command = [
  "run",
  "--config=language/sv_plural:small",
  f"--workdir={workdir}",
  "--config.base_seeds=(0,)",
  "--config.training.num_epochs=4",
  "--config.search.num_epochs=1",
  "--config.search.learning_rates=(3e-2,)",
  "--config.search.penalties=(1e-8,)",
  "--config.search.seeds=(0,)",
  "--config.cuts.num_steps=0",
  "--config.data.num_problems.test=300",
]
done = subprocess.run(
  [sys.executable, "-m", "structcomp_jax", *command],
  capture_output=True,
  text=True,
)
assert done.returncode == 0, done.stderr
print(done.stdout)

# %% [markdown]
# ## Beside the published numbers
#
# D_sub is, of the subnetwork, the accuracy on the test that only its own
# subroutine solves minus the accuracy on the one that only the other solves;
# D_abl is the same of the network without it. Parts predict D_sub > 0 and
# D_abl < 0. The published numbers come with the package; they are means over so
# many searches in networks trained from scratch, and in untrained ones.

# %%
(findings,) = conclude.load([workdir])
MEASURES = ("own_accuracy", "d_sub", "d_abl", "density")
rows = {}
for _, ours in findings.summary.iterrows():
  regime, subroutine = ours["regime"], ours["subroutine"]
  theirs = published.lookup("sv_plural", regime, subroutine)
  for who, row in {"here": ours, "published": theirs}.items():
    numbers = {name: row[f"{name}_mean"] for name in MEASURES}
    rows[regime, subroutine, who] = numbers | {"searches": row["n"]}
table = pd.DataFrame(rows).T.rename_axis(["network", "mask for", "who"])
table.round(2).astype({"searches": int})

# %% [markdown]
# How to read it: D_sub is high in untrained networks as well, so it proves
# nothing. What tells trained networks apart is D_abl. Its size depends on the
# network and on how much a mask happens to keep, so it is the sign that can be
# compared with the published one.
#
# And how not to read it: one network is one observation. The verdict says so.

# %%
for verdict in findings.verdicts:
  print(f"{verdict.label}: {verdict.sentence}")

# %% [markdown]
# More networks: `--config.base_seeds=(0,1,2,3)`, in the same work directory;
# what is there stays. [What an answer takes](../design/verdict.md), and [all
# rows with more networks](../results/break_it_down.md).
#
# ## The masks
#
# What both masks keep of every matrix of the trained network, and how much they
# share beside random masks of the same sizes.

# %%
mask_view.of_workdir(workdir)
