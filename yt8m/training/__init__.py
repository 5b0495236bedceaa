"""Training with Keras on TensorFlow: phases of a training set, checkpoints, validation, export.

The order of things: `train` reads and checks what it is given (job.py); the trainer (trainer.py) makes the model and
runs the phases in order (plan.py). In a phase its loop (phase_loop.py) takes the loader's batches, copied ahead
(feed.py), through a compiled step (engines/), counts, validates, keeps the history, stops and writes checkpoints.
Whatever decides the result is in the configuration; whatever has happened so far is in the state (state.py), so a
killed run continues as if nothing had been.
"""
