"""The papers that studies follow, as a reference list cites them."""

BREAK_IT_DOWN = (
  "Lepori, M. A., Serre, T., & Pavlick, E. (2023). Break It Down: Evidence for"
  " Structural Compositionality in Neural Networks. NeurIPS 2023."
  " arXiv:2301.10884."
)
ARE_NETS_MODULAR = (
  "Csord\u00e1s, R., van Steenkiste, S., & Schmidhuber, J. (2021). Are Neural"
  " Nets Modular? Inspecting Functional Modularity Through Differentiable"
  " Weight Masks. ICLR 2021. arXiv:2010.02066."
)
