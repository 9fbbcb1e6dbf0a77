"""Data sets: from a location to samples, their pixels and their digests."""
