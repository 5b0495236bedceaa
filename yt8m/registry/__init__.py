"""Trained models: what decides one, what its folder holds, which ones a run trains, which ones were champions."""
