"""Identities between the methods that hold by how networks are made."""
