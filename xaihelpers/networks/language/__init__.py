"""Networks that describe a picture or answer questions about it."""
