"""Files of a work directory: config, lock, checkpoints, metrics, tables.

Import the module you need (`from structcomp_jax.io import workdir`). The
package itself imports nothing, so that a table can be read without orbax.
"""
