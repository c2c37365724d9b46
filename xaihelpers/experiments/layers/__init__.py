"""What each named layer of each trained network is good for."""
