"""The registry of models: cards, and how models are found and loaded."""
