"""What follows from the tables of the study: overlaps, effects, verdicts."""
