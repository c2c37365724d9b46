"""One folder per question, with its measures and its claims."""
