"""Entries: what is claimed of a method, the evidence for it, and the checks."""
