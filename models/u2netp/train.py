"""U2-NetP's training: U2-Net's, with the small network."""

from disbench.models.u2net import train


class Training(train.Training):
    """U2-NetP and U2-Net's loss."""

    stages = ("u2netp",)
    variant = "P"
