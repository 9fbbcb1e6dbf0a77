"""Checks of adapters and of GPUs."""
