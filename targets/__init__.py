"""Where the pipeline runs: settings of the clusters, and this machine."""
