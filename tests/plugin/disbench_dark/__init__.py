"""A plug-in of disbench: a folder per model, each with a card."""
