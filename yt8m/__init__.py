"""Training, explaining and keeping fresh video taggers at YouTube-8M scale."""

__version__ = "0.1.0"
