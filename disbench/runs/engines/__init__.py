"""What computes the rows of a run: threads, devices or a Ray cluster."""
