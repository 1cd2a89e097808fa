"""Papers that more than one TFDS builder names."""

ARE_NEURAL_NETS_MODULAR = """\
@inproceedings{csordas2021neural,
  title={Are Neural Nets Modular? Inspecting Functional Modularity Through
    Differentiable Weight Masks},
  author={Csord{\\'a}s, R{\\'o}bert and van Steenkiste, Sjoerd and Schmidhuber,
    J{\\"u}rgen},
  booktitle={International Conference on Learning Representations},
  year={2021},
}
"""
