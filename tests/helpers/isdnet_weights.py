"""A generated checkpoint of ISDNet."""

import re

from filled_weights import checkpoint


def filled(keys):
    """Generate a checkpoint of these keys; layers with two names have the same values under both."""
    state = checkpoint(keys, gain=1.0)
    return {name: state[re.sub(r"stdc_net\.x\d+\.0\.", "stdc_net.features.", name)] for name in state}
