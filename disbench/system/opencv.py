"""Why OpenCV does not work: its import fails, or two of its packages overwrote each other's files."""

from disbench.errors import InputError

# Some of the names that disbench uses, of the decoder and of the parts that smaller builds lack.
NEEDED = ("IMREAD_COLOR_RGB", "imdecode", "imencode", "resize", "connectedComponents", "distanceTransform", "error")
ADVICE = (
    "uninstall every OpenCV (pip uninstall opencv-python opencv-python-headless opencv-contrib-python "
    "opencv-contrib-python-headless), then pip install 'opencv-python-headless>=5.0'"
)


def check_opencv() -> None:
    """Raise InputError if the module cv2 cannot be imported, or lacks what disbench needs."""
    try:
        import cv2
    except Exception as error:  # a library that is missing, or another NumPy than it was built for
        raise InputError(f"OpenCV: cv2 cannot be imported ({error}); {ADVICE}") from None
    if missing := [name for name in NEEDED if not hasattr(cv2, name)]:
        place = getattr(cv2, "__file__", None) or "an empty folder"
        version = getattr(cv2, "__version__", "without a version")
        raise InputError(f"OpenCV: cv2 ({version}, {place}) lacks {missing[0]}; {ADVICE}")
