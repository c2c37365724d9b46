"""The whole run: data, networks, chapters, results."""
