"""How good predictions are, how sure that is, where they go wrong, and which of two models is better."""
