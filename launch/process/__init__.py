"""How a launch script sets up its process: flags, hosts, compiled programs."""
