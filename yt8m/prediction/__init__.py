"""A model and an index to the table of predictions, on which all that follows works."""
