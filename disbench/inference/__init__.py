"""From images to prediction maps."""
