"""What a run of the pipeline leaves at the work root: a record of each step, its results, and its summary."""
