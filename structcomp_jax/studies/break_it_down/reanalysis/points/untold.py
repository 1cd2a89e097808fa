"""Points that the result table cannot decide, and what it shows of them."""

from structcomp_jax.studies.break_it_down.findings.task_difference import (
  OWN_THRESHOLD,
  UNTRAINED_REGIME,
)
from structcomp_jax.studies.break_it_down.reanalysis.points.point import (
  Point,
  of,
)
from structcomp_jax.studies.break_it_down.reanalysis.published_data import (
  Published,
)


def overlap(found: Published) -> Point:
  """Returns the point about the union of three masks."""
  return Point(
    "1",
    "overlap of masks",
    "Nothing: the union is wrong in one step of the published overlap, and"
    " only the masks themselves could put it right.",
    "Cannot be judged from this table, which holds no masks; reports of new"
    " runs show intersection over union of pairs beside that of random masks.",
    is_judged=False,
  )


def temperature(found: Published) -> Point:
  """Returns the point about beta, which the searches were run with."""
  return Point(
    "2",
    "temperature",
    "Nothing: the searches ran one step of beta ahead, and in vision with the"
    " head at beta = 1.",
    "Cannot be judged from this table: it would take new searches.",
    is_judged=False,
  )


def selection(found: Published) -> Point:
  """Returns the point about settings chosen on the tests reported."""
  return Point(
    "6",
    "selection on the reported tests",
    "Nothing: settings were chosen for the largest ablation effect on the"
    " tests that are reported, on validation problems.",
    "Cannot be undone from this table, which holds the chosen settings alone:"
    " every D_abl of trained networks here stays optimistic, and their"
    " comparison with untrained networks, which chose nothing, stays unequal.",
    is_judged=False,
  )


def failed_settings(found: Published) -> Point:
  """Returns the point about settings that fail the filter but win."""
  trained = found.searches[found.searches["regime"] != UNTRAINED_REGIME]
  below = trained[trained["subnetwork_own"] < OWN_THRESHOLD]
  settings = trained.groupby("directory")["learned"].any()
  never = int((~settings).sum())
  return Point(
    "7",
    "settings that fail the filter",
    "The grid is not in the table, so that the choice stays; the final"
    f" searches were held against its filter of {OWN_THRESHOLD} on the own"
    " task.",
    "Which settings would have won cannot be judged from this table; of the"
    f" final searches in trained networks {of(len(below), len(trained))} fail"
    f" the filter on test problems, and {of(never, len(settings))}"
    " chosen settings fail it with every seed.",
    is_judged=False,
  )
