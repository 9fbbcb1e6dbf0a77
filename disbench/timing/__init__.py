"""Times, memory and cost of models."""
