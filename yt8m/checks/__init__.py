"""What is looked at before a GPU is paid for: do the partitions hang together, and is the data still what it was?"""
