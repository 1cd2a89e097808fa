"""Networks whose structure is known: how often are statistics of it wrong?

Multilayer perceptrons, transformers and convolutional networks over ten bits
are built or trained so that it is known whether the two properties of a task
have weights of their own. Statistics that claim to see this are then asked.
`tools/planted_truth.py` runs it all.
"""
