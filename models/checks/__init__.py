"""What every detector and every judge must do, as plain functions that raise AssertionError.

For tests, and for whoever writes a detector or a domain of their own: give a factory and rows.

Examples
--------
>>> from eddy.models.checks import DETECTOR_CHECKS
>>> for check in DETECTOR_CHECKS:
...     check(MyDetector, features, times)  # doctest: +SKIP
"""

from eddy.models.checks.detectors import DETECTOR_CHECKS
from eddy.models.checks.judges import JUDGE_CHECKS, JudgeCase

__all__ = ["DETECTOR_CHECKS", "JUDGE_CHECKS", "JudgeCase"]
