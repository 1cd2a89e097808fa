"""Sets up the process of a launch script: flags, hosts, compiled programs."""
