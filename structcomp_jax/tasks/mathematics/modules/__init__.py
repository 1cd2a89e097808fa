"""The modules of questions; each draws a question and its answer."""
