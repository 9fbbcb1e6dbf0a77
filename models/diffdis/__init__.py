"""DiffDIS: one-step diffusion for dichotomous image segmentation (ICLR 2025, arXiv 2410.10105)."""
