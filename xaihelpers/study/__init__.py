"""A whole data set through networks and their maps, one row per image, layer and method."""
