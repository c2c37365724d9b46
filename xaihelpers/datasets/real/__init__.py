"""Readers for published sets of photographs and radiographs, in the layouts of their owners."""
