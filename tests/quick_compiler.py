"""Compiles the programs of tests faster than settings of JAX can.

XLA:CPU compiles a fused loop by way of MLIR, which takes a third to a half of
the time of compiling. It can do without, but only an option of the program that
is compiled says so. JAX makes those options in a function, which is replaced.

Launch scripts and optimised programs are compiled as those of users are. With a
JAX that has another function or an XLA without the option, tests take longer.
"""

import jax
from jax._src import compiler

OPTIONS = {"xla_cpu_use_fusion_emitters": False}

_is_on = False


def switch(is_on: bool) -> bool:
  """Switches this on or off for programs to be compiled.

  Returns:
    Whether it was on.
  """
  global _is_on
  was_on, _is_on = _is_on, is_on
  return was_on


def install() -> None:
  """Replaces the function, where that works, and switches this on."""
  if hasattr(compiler, "get_compile_options") and _is_option_known():
    compiler.get_compile_options = _quickly(compiler.get_compile_options)
    switch(True)


def _quickly(make_options):
  def make(*args, env_options_overrides=None, **more):
    if _is_on and jax.config.read("jax_disable_most_optimizations"):
      env_options_overrides = OPTIONS | (env_options_overrides or {})
    return make_options(
      *args, env_options_overrides=env_options_overrides, **more
    )

  return make


def _is_option_known() -> bool:
  """Whether XLA compiles a program with the option rather than complain."""
  try:
    jax.jit(lambda x: -x).lower(1.0).compile(OPTIONS)
  except jax.errors.JaxRuntimeError:
    return False
  return True
