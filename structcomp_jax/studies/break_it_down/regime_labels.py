"""What readers see of the regimes: words and colours."""

from structcomp_jax.report import style

# {regime: (in words, colour)}
_SHOWN = {
  "scratch": ("trained from scratch", "#0072B2"),
  "lm_pretrained": ("pretrained, then trained", "#D55E00"),
  "simclr": ("SimCLR, then trained", "#CC79A7"),
  "pruned": ("trained, then pruned", "#009E73"),
  "random_init": ("never trained (control)", style.GREY),
}
LABELS = style.Labels(
  words={regime: words for regime, (words, _) in _SHOWN.items()},
  colours={regime: colour for regime, (_, colour) in _SHOWN.items()},
)
