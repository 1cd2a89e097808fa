r"""Vision experiment inside_count (Lepori et al. 2023, sec. 5).

Task: shapes in pairs, one inside the other, and how many.
From nothing to the report:

    python -m launch.run --workdir=DIR \
      --config=configs/vision/inside_count.py:small

Variants: resnet50 (size of the paper), wideresnet50, vit, resnet50_simclr,
resnet50_pruned, resnet50_random, resnet50_sweep, small, small_simclr,
small_pruned, smoke; see configs/common/vision.py for what each one sets.
"""

from configs.common.vision import vision_variant


def get_config(variant: str = ""):
  """Returns the config of one variant."""
  return vision_variant("inside_count", variant)
