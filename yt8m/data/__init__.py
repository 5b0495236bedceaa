"""Videos as records in shards, their index, and the training sets that are made of it."""
