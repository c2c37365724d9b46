"""Wrong answers and adversarial images."""
