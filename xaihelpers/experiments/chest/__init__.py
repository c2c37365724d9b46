"""The X-ray project's claims: networks compared, and sources that give the class away."""
