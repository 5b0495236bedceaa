"""Above the single model: predictions of videos it did not learn from, weights of several, and a second look."""
