"""Real photographs under a real ImageNet network: accuracy, and the grid pointing game."""
