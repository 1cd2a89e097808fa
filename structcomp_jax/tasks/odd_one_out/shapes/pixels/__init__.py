"""The judge of pictures: reads pixels, and knows nothing of the drawing."""
