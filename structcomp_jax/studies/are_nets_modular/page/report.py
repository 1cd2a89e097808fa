"""Writes the page of the study."""


def write(workdirs, out):
  """Writes one page over finished work directories."""
