"""A plug-in of disbench: one folder with a card per model."""
