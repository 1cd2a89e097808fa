"""Storing pictures and reading them back."""

import chex
import numpy as np
import pytest

from structcomp_jax.tasks import datasets, shape_subroutines
from structcomp_jax.tasks.odd_one_out import shapes
from structcomp_jax.types import UserError

_NAME = "shape_subroutines/inside_contact.base"
_SIZES = {"train": 12, "validation": 3, "test": 5}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
  data_dir = tmp_path_factory.mktemp("data")
  datasets.prepare(_NAME, data_dir, _SIZES)
  return data_dir


def test_every_name_is_a_config():
  configs = shape_subroutines.ShapeSubroutines.builder_configs
  assert list(configs) == list(shapes.DATASET_NAMES)


@pytest.mark.parametrize("split", _SIZES)
def test_round_trip_keeps_the_first_problems(prepared, split):
  problems = datasets.load(_NAME, prepared, split)
  assert problems.dtype == np.uint8
  count = _SIZES[split]
  made = shapes.make_problems("inside_contact.base", split, range(count))
  chex.assert_trees_all_equal(problems, made)


def test_plain_tfds_reads_the_files(prepared):
  import tensorflow_datasets as tfds

  builder = tfds.builder_from_directory(prepared / _NAME / "1.0.0")
  (example,) = builder.as_data_source("test[:1]")
  made = shapes.make_problems("inside_contact.base", "test", [0])
  chex.assert_trees_all_equal(example["images"], made[0])


def test_files_are_small(prepared):
  (file,) = (prepared / _NAME / "1.0.0").glob("*-train.array_record*")
  # array_records are padded to multiples of 64 KiB, and the pixels of a problem
  # take 192 KiB.
  assert file.stat().st_size <= 2 * 65536


def test_partitions_have_no_train_split(tmp_path):
  name = "shape_subroutines/inside_contact.odd_both"
  with pytest.raises(UserError, match="no split 'train'; use validation, test"):
    datasets.prepare(name, tmp_path, {"train": 1})
