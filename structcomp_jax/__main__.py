"""`python -m structcomp_jax VERB [--flags]` is the command `structcomp`."""

from structcomp_jax.console import main

if __name__ == "__main__":
  main()
