"""What CAM's changed architecture costs: three heads on the same VGG19."""
