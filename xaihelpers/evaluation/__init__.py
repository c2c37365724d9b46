"""Whether a map is right, as numbers: localisation, baselines, intervals."""
