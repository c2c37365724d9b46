"""Pictures with one look, and the small services every chapter uses."""
