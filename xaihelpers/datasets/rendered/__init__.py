"""Pictures that this package draws itself, with a pixel-exact mask for everything in them."""
