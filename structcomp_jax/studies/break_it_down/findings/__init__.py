"""What follows from the tables of the study: differences and verdicts."""
