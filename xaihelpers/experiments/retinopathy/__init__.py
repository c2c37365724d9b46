"""The retinopathy project's claims: maps of fundus pictures, corners and steadiness."""
