"""A task of the training loop made of functions, and the loop run on it."""

from disbench.models._training.checkpoints import RunState
from disbench.models._training.loop import Hooks, fit
from disbench.models._training.processes import ALONE
from disbench.models._training.task import Task


class FunctionTask(Task):
    """Batches, losses and scores are functions' results."""

    def __init__(self, batch, losses, validate=lambda net, step: {}):
        self.batch, self.losses, self.validate = batch, losses, validate


def fit_functions(net, schedule, task, out, *, identity="x", processes=ALONE, **hooks):
    """Train a network on a task in a folder, as `train`."""
    state = RunState(out=out, identity=identity)
    return fit(net, schedule, task, state, processes=processes, hooks=Hooks(**hooks))
