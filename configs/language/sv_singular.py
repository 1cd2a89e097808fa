r"""Language experiment sv_singular (Lepori et al. 2023, sec. 6).

Task: subject-verb agreement, singular. From nothing to the report:

    python -m launch.run --workdir=DIR \
      --config=configs/language/sv_singular.py:small

Variants: bert_small (size of the paper), bert_small_pretrained, minilm, small,
smoke; see configs/common/language.py for what each one sets.
"""

from configs.common.language import language_variant


def get_config(variant: str = ""):
  """Returns the config of one variant."""
  return language_variant("sv_singular", variant)
