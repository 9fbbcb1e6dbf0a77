"""Entries: the claims about a method, their evidence, and the checks."""
