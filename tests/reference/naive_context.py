"""A slow, naive context measure."""

import numpy as np
from naive import stretched


def gaussian(foreground):
    points = np.argwhere(foreground)
    if len(points) == 1:
        covariance, reach = np.eye(2) / 4, (1, 1)
    else:
        covariance = np.cov(points, rowvar=False)
        covariance *= 36 / np.trace(covariance)
        reach = [round(3 * np.sqrt(variance)) for variance in np.diag(covariance)]
    line = np.linalg.matrix_rank(points - points[0]) < 2 and len(points) > 1
    inverse = np.linalg.pinv(covariance, rcond=1e-9) if line else np.linalg.inv(covariance)
    direction = (points[-1] - points[0])[::-1] * (1, -1)  # normal to the line
    kernel = {}
    for y in range(-reach[0], reach[0] + 1):
        for x in range(-reach[1], reach[1] + 1):
            offset = np.array([y, x])
            if not line or offset @ direction == 0:
                kernel[y, x] = np.exp(-offset @ inverse @ offset / 2)
    total = sum(kernel.values())
    return reach, {offset: weight / total for offset, weight in kernel.items()}


def blur(values, reach, kernel):
    height, width = values.shape
    padded = np.pad(values, [(side, side) for side in reach], mode="reflect")
    total = np.zeros(values.shape)
    for (y, x), weight in kernel.items():
        total += weight * padded[reach[0] + y : reach[0] + y + height, reach[1] + x : reach[1] + x + width]
    return total


def context_measure(mask, truth, degrees=0, beta2=1):
    """The map's completeness is a mean with weights 1 + degrees."""
    values, foreground = stretched(mask), truth > 128
    if not foreground.any() or not values.any():
        return 0.0
    reach, kernel = gaussian(foreground)
    relevant = (blur(foreground.astype(float), reach, kernel) * values).sum() / values.sum()
    complete = np.e / (np.e - 1) * (1 - np.exp(-blur(values, reach, kernel)))
    complete = np.average(complete[foreground], weights=(np.ones(truth.shape) + degrees)[foreground])
    if not relevant + complete:
        return 0.0
    return (1 + beta2) * relevant * complete / (beta2 * relevant + complete)
