"""The retinopathy project's claims: maps of fundus pictures, corners, heads and steadiness."""
