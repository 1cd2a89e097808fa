"""What an experiment will need, said before anything runs: `--plan`."""
