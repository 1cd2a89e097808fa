"""What a problem is: generators, TFDS builders, loss and accuracy."""
