"""What changes when the weak points of the published analysis are mended."""
