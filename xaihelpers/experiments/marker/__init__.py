"""The marker experiment: text burned into radiographs that follows the class."""
