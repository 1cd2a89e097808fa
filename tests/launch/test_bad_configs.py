"""A config that cannot run is refused in one line before any work.

The cases are checked in this process, where a command line is parsed as the
launch scripts do it. A few also run as a process, which must say the same.
"""

import sys

import pytest
from absl import flags
from ml_collections import config_flags

from launch.process import main as common
from structcomp_jax.studies import registry
from structcomp_jax.types import UserError
from tests.launcher import CONFIG, ROOT, assert_clear, assert_one_line

# ml_collections reads config files in this way.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module")

VISION = "configs/vision/inside_contact.py:smoke"
# One mistake of each kind: an unknown field, a value of another type, an
# unknown name, a number out of range, a tuple.
THROUGH_A_PROCESS = [
  ("model.sizes.hiden_size", "3", ["hiden_size", "Did you mean"]),
  ("seed", "first", ["config.seed", "first"]),
  ("experiment", "sv_singlar", ["sv_singlar", "sv_singular"]),
  ("data.num_problems.train", "20000", ["20000", "9500", "lower it"]),
  ("base_seeds", "(0, 0)", ["base_seeds (0, 0)", "distinct"]),
]
# Field of the config, its bad value, and what the line must name.
LANGUAGE_FIELDS = [
  ("nothing.at_all", "3", ["nothing"]),
  ("seed", "-1", ["seed -1"]),
  ("evaluation.failed_below", "much", ["evaluation.failed_below", "much"]),
  ("base_seeds", "abc", ["base_seeds 'abc'", "integers"]),
  ("base_seeds", "()", ["base_seeds ()"]),
  ("base_seeds", "(99999999999,)", ["base_seeds 99999999999"]),
  ("auto_base_seeds.most", "-1", ["auto_base_seeds.most -1"]),
  ("auto_base_seeds.most", "1001", ["auto_base_seeds.most 1001", "to 1000"]),
  ("auto_base_seeds.most", "1", ["most 1 is not more", "the 1 base_seeds"]),
  ("auto_base_seeds.step", "0", ["auto_base_seeds.step 0"]),
  ("auto_base_seeds.max_hours", "-1.0", ["max_hours -1.0 is negative"]),
  ("auto_base_seeds.max_hours", "nan", ["auto_base_seeds.max_hours nan"]),
  ("search.seeds", "()", ["search.seeds ()"]),
  ("data.policy", "publishd", ["data.policy", "publishd", "unseen_words"]),
  ("data.num_problems.train", "-1", ["data.num_problems.train -1"]),
  ("regimes", "('scrach',)", ["regimes 'scrach'", "random_init"]),
  ("regimes", "('scratch', 'scratch')", ["regimes", "distinct"]),
  ("regimes", "('lm_pretrained',)", ["model.checkpoint is empty"]),
  ("model.tokenizer", "words", ["model.tokenizer 'words'"]),
  ("model.tokenizer", "checkpoint", ["model.checkpoint is empty"]),
  ("model.family", "brt", ["model.family 'brt'", "bert"]),
  ("model.sizes.hidden_size", "33", ["model", "hidden_size 33", "num_heads 2"]),
  ("model.sizes.num_layers", "0", ["model", "num_layers is 0"]),
  ("model.sizes.max_positions", "2", ["model.sizes.max_positions 2", "13"]),
  ("model.checkpoint", "/nowhere", ["/nowhere/config.json"]),
  ("training.learning_rate", "nan", ["training", "learning_rate nan"]),
  ("training.learning_rate", "0", ["training", "learning_rate 0"]),
  ("training.learning_rate", "-1", ["training", "learning_rate -1"]),
  ("training.learning_rate", "inf", ["training", "learning_rate inf"]),
  ("training.num_epochs", "0", ["training", "num_epochs 0"]),
  ("training.batch_size", "300", ["training.batch_size 300", "256"]),
  ("search.batch_size", "0", ["search.batch_size 0"]),
  ("search.num_mask_samples", "3", ["batch_size 64", "num_mask_samples 3"]),
  ("search.relaxation", "hard", ["relaxation 'hard'", "hard_concrete"]),
  (
    "search.relaxation",
    "{'name': 'hard_concrete', 'tau': 0}",
    ["search: relaxation hard_concrete: tau 0 must be", "above 0"],
  ),
  (
    "search.relaxation",
    "{'name': 'gumbel_sigmoid', 'zeta': 2}",
    ["relaxation gumbel_sigmoid", "'zeta'", "its parameters are tau"],
  ),
  ("search.relaxation", "0.5", ["relaxation 0.5", "hard_concrete"]),
  ("search.schedule", "linear", ["schedule 'linear'", "geometric"]),
  ("search.data_order", "random", ["data_order 'random'", "shared"]),
  ("search.unit", "layer", ["search.unit 'layer'", "neuron"]),
  ("search.selection", "best", ["search.selection 'best'", "own_task"]),
  ("search.constant_beta", "('laier_0/.*',)", ["laier_0", "layer_0/output"]),
  ("search.masked_from", "(1,)", ["search: masked_from 1", "layer_0"]),
  ("search.masked_from", "('embeddings',)", ["'embeddings'", "layer_0"]),
  ("search.masked_from", "()", ["search.masked_from is empty"]),
  ("search.learning_rates", "('nan',)", ["search.learning_rates 'nan'"]),
  ("search.learning_rates", "(0.0,)", ["search", "learning_rates", "positive"]),
  ("search.init_logits", "(1e999,)", ["search.init_logits inf"]),
  ("search.learning_rates", "(1e39,)", ["learning_rates 1e+39 is inf"]),
  ("search.learning_rates", "(1e-50,)", ["learning_rates 1e-50 is 0"]),
  ("search.penalties", "(-1e-3,)", ["penalties -0.001 must be at least 0"]),
  ("search.max_beta", "1e30", ["max_beta 1e+30", "at most 1e+09"]),
  ("search.seeds", "(0, 0)", ["search.seeds (0, 0)"]),
  ("training.learning_rate", "1e39", ["learning_rate 1e+39 is inf"]),
  ("evaluation.batch_size", "0", ["evaluation.batch_size 0"]),
  ("runtime.steps_per_call", "-1", ["runtime.steps_per_call -1"]),
  ("search.penalties", "()", ["penalties is empty"]),
  ("search.cache", "memory", ["search.cache 'memory'", "device, host, disk"]),
  ("search.cache_dtype", "float16", ["cache_dtype 'float16'", "bfloat16"]),
  ("search.compute_dtype", "half", ["compute_dtype 'half'", "bfloat16"]),
  ("search.cache_gigabytes", "-1", ["search.cache_gigabytes -1.0", "off"]),
  ("cuts.masked_from", "(9,)", ["cuts: masked_from 9", "layer_0"]),
  ("cuts.masked_from", "()", ["cuts.masked_from is empty"]),
  ("cuts.num_nonsense", "-1", ["cuts.num_nonsense -1"]),
  ("cuts.seeds", "(1, 1)", ["cuts.seeds (1, 1)"]),
  ("cuts.batch_size", "100000", ["cuts.batch_size 100000 is more than"]),
  ("runtime.vmap_width", "-1", ["runtime.vmap_width -1", "or auto"]),
  ("runtime.vmap_width", "wide", ["runtime.vmap_width 'wide'", "or auto"]),
  ("runtime.data_devices", "0", ["runtime.data_devices 0"]),
  ("runtime.data_devices", "3", ["data_devices 3", "64"]),
  ("runtime.model_devices", "0", ["runtime.model_devices 0"]),
  ("runtime.cpu_devices", "-1", ["runtime.cpu_devices -1"]),
]
# The same for a vision config with all its regimes.
ALL_REGIMES = "('scratch', 'simclr', 'pruned', 'random_init')"
VISION_FIELDS = [
  ("model.image_size", "50", ["image_size of 50; choose a divisor of 128"]),
  ("model.image_size", "0", ["image_size of 0; choose a divisor of 128"]),
  ("cuts.masked_from", "('stage_9',)", ["cuts: masked_from 'stage_9'"]),
  ("model.family", "vit", ["model.sizes does not describe a vit"]),
  ("model.resize", "foo", ["model.resize 'foo' ", " area, darkest"]),
  ("model.sizes.stage_widths", "(8,)", ["differ in length"]),
  ("search.masked_from", "('stage_9',)", ["search: masked_from 'stage_9'"]),
  ("search.masked_from", "('head',)", ["search: masked_from 'head'"]),
  ("search.cache_gigabytes", "-1.0", ["cache_gigabytes -1.0 is negative"]),
  ("pruning.masked_from", "foo", ["pruning: masked_from 'foo'"]),
  ("regimes", "('pruned',)", ["add scratch to regimes"]),
  ("regimes", "('lm_pretrained',)", ["'lm_pretrained' is unknown"]),
  ("simclr.tau", "0.0", ["simclr: tau 0.0"]),
  ("simclr.tasks", "('foo',)", ["simclr.tasks 'foo' is unknown"]),
  ("simclr.tasks", "()", ["simclr.tasks is empty"]),
  ("simclr.batch_size", "100000", ["simclr.batch_size 100000 is more than"]),
  ("simclr.batch_size", "0", ["simclr.batch_size 0 is not usable"]),
  (
    "training.sweep.batch_sizes",
    "(16,)",
    ["has only one of learning_rates"],
  ),
  (
    "training.pretrained_batch_size",
    "65",
    ["pretrained_batch_size 65 is more"],
  ),
]
# Learning rate and batch size that a sweep is to try.
BAD_SWEEPS = [
  ("-1.0", "16", "learning_rate -1.0"),
  ("1e-3", "65", "batch_sizes 65 is more"),
]
# Of the study Are Neural Nets Modular: config, field, value, what is named.
ADD_MUL = "configs/arithmetic/add_mul.py:smoke"
DOUBLE_ADDITION = "configs/arithmetic/double_addition.py:smoke"
LSTM = "configs/arithmetic/double_addition.py:lstm_together"
SCAN = "configs/scan/scan.py:smoke"
MATHEMATICS = "configs/mathematics/mathematics.py:smoke"
MODULAR_FIELDS = [
  (LSTM, "model.mode", "apart", ["model.mode 'apart'", "only_one_io"]),
  (DOUBLE_ADDITION, "model.family", "lstm", ["needs model.mode", "variant"]),
  (ADD_MUL, "model.family", "cnn", ["model.family 'cnn'", "mlp, lstm"]),
  (ADD_MUL, "model.family", "lstm", ["does not describe a lstm"]),
  (SCAN, "model.family", "lstm", ["'lstm'", "seq2seq_transformer"]),
  (ADD_MUL, "model.sizes.hidden_sizes", "(0,)", ["hidden_sizes is (0,)"]),
  (SCAN, "model.sizes.dropout", "1.0", ["dropout is 1.0", "below 1"]),
  (ADD_MUL, "regimes", "('only_jump',)", ["'only_jump'", "random_init"]),
  (SCAN, "regimes", "('copy_weight',)", ["'copy_weight'", "only_length"]),
  (ADD_MUL, "regimes", "('simclr',)", ["regimes 'simclr'", "scratch"]),
  (
    DOUBLE_ADDITION,
    "regimes",
    "('copy_weight',)",
    ["needs the networks of scratch", "add scratch to regimes"],
  ),
  (
    ADD_MUL,
    "regimes",
    "('scratch', 'copy_weight')",
    ["needs the feed-forward network of double_addition", "remove it"],
  ),
  (
    LSTM,
    "regimes",
    "('scratch', 'copy_weight')",
    ["needs the feed-forward network of double_addition", "remove it"],
  ),
  (ADD_MUL, "data.policy", "balanced", ["'balanced'", "disjoint"]),
  (SCAN, "data.policy", "disjoint", ["'disjoint'", "published"]),
  (ADD_MUL, "data.num_problems.train", "2000000", ["1000000", "lower it"]),
  (SCAN, "data.num_problems.test", "5000", ["5000", "4182", "scan/simple"]),
  (ADD_MUL, "training.num_steps", "0", ["training.num_steps 0", "from 1"]),
  (ADD_MUL, "training.batch_size", "0", ["training.batch_size 0"]),
  (ADD_MUL, "training.clip_norm", "nan", ["training.clip_norm nan"]),
  (ADD_MUL, "training.keep", "first", ["keep 'first'", "best or last"]),
  (ADD_MUL, "search.num_steps", "0", ["search.num_steps 0", "from 1"]),
  (ADD_MUL, "search.batch_size", "30", ["batch_size 30", "samples 4"]),
  (ADD_MUL, "search.clip_scope", "all", ["clip_scope 'all'", "reference"]),
  (ADD_MUL, "search.betas", "()", ["search.betas ()", "at least one"]),
  (ADD_MUL, "search.betas", "('nan',)", ["search.betas 'nan'", "finite"]),
  (ADD_MUL, "search.betas", "(1e999,)", ["search.betas inf", "finite"]),
  (ADD_MUL, "search.betas", "(-1e-4,)", ["search.betas (-0.0001,)", "or more"]),
  (ADD_MUL, "search.betas", "(0.1, 0.1)", ["search.betas", "repetitions"]),
  (
    ADD_MUL,
    "search.learning_rates",
    "(0.1, 0.01)",
    ["search.learning_rates (0.1, 0.01)", "one value", "search.betas"],
  ),
  (ADD_MUL, "search.init_logits", "(1.0, 2.0)", ["init_logits", "one value"]),
  (ADD_MUL, "search.masked_from", "(0, 1)", ["masked_from", "one value"]),
  (ADD_MUL, "search.masked_from", "()", ["masked_from", "one value"]),
  (ADD_MUL, "search.masked_from", "('layer_9',)", ["'layer_9'", "layer_0"]),
  (SCAN, "search.masked_from", "('decodr',)", ["'decodr'", "decoder"]),
  (MATHEMATICS, "data.policy", "published", ["'published'", "archive"]),
  (MATHEMATICS, "data.policy", "archive", ["archive", "runtime.data_dir"]),
  (MATHEMATICS, "data.levels", "('hard',)", ["data.levels", "lacks easy"]),
  (MATHEMATICS, "data.levels", "('easiest',)", ["'easiest'", "medium"]),
  (MATHEMATICS, "data.question_length", "0", ["data.question_length 0"]),
  (MATHEMATICS, "regimes", "('only_jump',)", ["'only_jump'", "scratch"]),
  (SCAN, "runtime.data_devices", "2", ["runtime.data_devices 2", "to 1"]),
]


@pytest.fixture
def refusal(tmp_path, monkeypatch):
  """Returns the line that refuses some changes of a config."""
  workdir = tmp_path / "new"

  def refuse(config_file, changes):
    monkeypatch.chdir(ROOT)
    # Both the parser and `cause` read the command line from `sys.argv`.
    monkeypatch.setattr(
      sys,
      "argv",
      ["launch.run", f"--config={config_file}"]
      + [f"--config.{field}={value}" for field, value in changes.items()],
    )
    values = flags.FlagValues()
    config = config_flags.DEFINE_config_file("config", flag_values=values)
    try:
      values(sys.argv)
    except (flags.Error, AttributeError, KeyError) as error:
      return f"{common.cause(error)}; see --help"
    with pytest.raises(UserError) as caught:
      registry.make_study(config.value)
    # Nothing is stored, so the directory can be used once the field is mended.
    assert not workdir.exists()
    return str(caught.value)

  return refuse


@pytest.mark.parametrize(
  ("field", "value", "expected"), [*THROUGH_A_PROCESS, *LANGUAGE_FIELDS]
)
def test_bad_language_config(refusal, field, value, expected):
  assert_clear(refusal(CONFIG, {field: value}), *expected)


@pytest.mark.parametrize(("field", "value", "expected"), VISION_FIELDS)
def test_bad_vision_config(refusal, field, value, expected):
  changes = {"regimes": ALL_REGIMES, field: value}
  assert_clear(refusal(VISION, changes), *expected)


@pytest.mark.parametrize(
  ("config", "field", "value", "expected"), MODULAR_FIELDS
)
def test_bad_config_of_modular_nets(refusal, config, field, value, expected):
  assert_clear(refusal(config, {field: value}), *expected)


def test_features_of_two_passes_are_not_kept(refusal):
  changes = {"search.masked_from": "('layer_1',)", "search.cache": "device"}
  line = refusal(DOUBLE_ADDITION, changes)
  assert_clear(line, "search.cache 'device'", "'layer_1'", "two passes", "off")


@pytest.mark.parametrize(
  ("learning_rate", "batch_size", "expected"), BAD_SWEEPS
)
def test_bad_sweep(refusal, learning_rate, batch_size, expected):
  changes = {
    "training.sweep.learning_rates": f"({learning_rate},)",
    "training.sweep.batch_sizes": f"({batch_size},)",
  }
  assert_clear(refusal(VISION, changes), expected)


@pytest.mark.parametrize(
  ("changes", "expected"),
  [
    ({"base_seeds": "(2147483646,)"}, ["base_seeds 2147483646", "no room"]),
    ({"regimes": "('scratch',)"}, ["needs random_init after another one"]),
    ({"regimes": "('random_init', 'scratch')"}, ["needs random_init after"]),
    ({"cuts.num_steps": "0"}, ["needs cuts between nonsense properties"]),
    ({"cuts.num_nonsense": "0"}, ["needs cuts between nonsense properties"]),
  ],
)
def test_base_seeds_are_added_where_something_can_be_decided(
  refusal, changes, expected
):
  assert_clear(
    refusal(CONFIG, {"auto_base_seeds.most": "4", **changes}), *expected
  )


@pytest.mark.parametrize(("field", "value", "expected"), THROUGH_A_PROCESS)
def test_process_says_the_same(
  launch, refusal, tmp_path, field, value, expected
):
  workdir = tmp_path / "new"
  outcome = launch.in_workdir("run", workdir, f"--config.{field}={value}")
  assert_one_line(outcome, *expected)
  assert outcome.errors == [f"error: {refusal(CONFIG, {field: value})}"]
  assert not workdir.exists()
