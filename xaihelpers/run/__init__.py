"""The commands: the main job, training, sweeps and measurements."""
