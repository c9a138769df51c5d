"""The eight steps of the loop, one file each."""
