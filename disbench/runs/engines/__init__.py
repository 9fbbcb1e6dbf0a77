"""The engines that compute the rows of a run: threads, devices or a Ray cluster."""
