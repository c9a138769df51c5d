"""Our side of each outside system, one file each; none knows what a build is."""
