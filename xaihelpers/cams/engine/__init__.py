"""The engine: one forward pass, one partial backward pass, many methods."""
