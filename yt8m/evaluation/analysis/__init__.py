"""Why a model's predictions are wrong: which labels it misses, in which videos, and what it says instead."""
