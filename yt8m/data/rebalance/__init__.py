"""Label statistics, recipes, and the training sets that they make."""
