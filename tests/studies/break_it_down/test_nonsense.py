"""Problems about nonsense properties, as networks read them."""

import re

import pytest

from configs.common.language import language_variant
from configs.common.vision import vision_variant
from structcomp_jax.studies import registry
from structcomp_jax.tasks.odd_one_out import shapes, syntax
from structcomp_jax.tasks.odd_one_out.shapes import appearance, drawing

SPLITS = ("train", "validation")


@pytest.fixture(scope="module")
def domain():
  config = vision_variant("inside_contact", "smoke")
  # Pictures as they are stored, so that this file can look at them.
  config.model.image_size = drawing.SIDE
  return registry.make_study(config).domain


@pytest.fixture(scope="module")
def problems():
  return {
    split: shapes.make_problems("inside_contact.inside", split, range(60))
    for split in SPLITS
  }


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("place", [0, 1])
def test_the_odd_picture_lacks_what_the_others_have(
  domain, problems, place, number
):
  """In every split the same bands have the property."""
  encode = domain.nonsense(place, number)
  having, lacking = set(), set()
  for split in SPLITS:
    images = encode(problems[split])["images"]
    assert images.shape == problems[split].shape
    bands = appearance.bands(images.reshape(-1, *images.shape[2:]))
    values = bands[:, place].reshape(len(images), 4)
    having |= set(values[:, :3].ravel())
    lacking |= set(values[:, 3])
  assert not having & lacking
  assert min(len(having), len(lacking)) > 1


def test_every_number_is_another_property(domain, problems):
  first, second = (
    domain.nonsense(0, number)(problems["train"])["images"] for number in (0, 1)
  )
  sets = [
    set(appearance.bands(images[:, 0])[:, 0]) for images in (first, second)
  ]
  assert sets[0] != sets[1]


def test_pictures_come_from_the_problems(domain, problems):
  stored = {
    one.tobytes() for one in problems["train"].reshape(-1, 128 * 128 * 3)
  }
  images = domain.nonsense(0, 0)(problems["train"])["images"]
  dealt = [one.tobytes() for one in images.reshape(-1, 128 * 128 * 3)]
  assert set(dealt) <= stored
  # Draws with replacement from 240 pictures use well over a third of them.
  assert len(set(dealt)) > len(stored) / 3


@pytest.mark.parametrize(("place", "position"), [(0, 1), (1, -1)])
def test_the_odd_sentence_lacks_what_the_others_have(place, position):
  domain = registry.make_study(language_variant("sv_singular", "smoke")).domain
  encode = domain.nonsense(place, 0)
  made = syntax.make_datasets("sv_singular", "disjoint")["subject"]
  having, lacking = set(), set()
  for split in SPLITS:
    for problem in encode(made[split][:60])["token_ids"]:
      words = [
        # Without [CLS], [SEP] and [PAD].
        re.findall(r"(?<!\[)\b\w+", domain.tokenizer.decode(ids))[position]
        for ids in problem.tolist()
      ]
      having |= set(words[:3])
      lacking.add(words[3])
  assert not having & lacking
  assert min(len(having), len(lacking)) > 1
