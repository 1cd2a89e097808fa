"""The report of the study: figures, tables and words."""
