"""What pages are made of: work directories, statistics, markup, curves."""
