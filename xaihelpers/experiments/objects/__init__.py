"""Localisation, class discrimination and segmentation seeds on scenes of several objects."""
