"""Networks of other libraries as JAX functions of their weights."""
