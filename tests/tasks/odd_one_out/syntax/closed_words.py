"""Words of closed classes, which the sentences of every split contain."""

CLOSED = frozenset(
  [
    "the",
    "that",
    "is",
    "are",
    "himself",
    "herself",
    "themselves",
    "next",
    "to",
    "behind",
    "in",
    "front",
    "of",
    "near",
    "side",
    "across",
    "from",
    "by",
  ]
)
