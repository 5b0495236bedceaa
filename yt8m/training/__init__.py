"""Training with Keras on TensorFlow: phases of a training set, checkpoints, validation, export.

The order of things: `train` reads and checks what it is given (job.py), makes the model, and runs the phases in order
(phases.py). A phase is one Keras `fit`: the loader's batches (feed.py) go through a jitted step (learner.py) while one
callback (supervisor.py) counts steps, validates, keeps the history, stops and writes checkpoints. Whatever decides
the result is in the configuration; whatever has happened so far is in the state (state.py), so a killed run
continues as if nothing had been.
"""
