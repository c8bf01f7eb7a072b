"""The composition root: command line, recipes, executors, shards. The only package that knows Ray, disks and hubs."""
