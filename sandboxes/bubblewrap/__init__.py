"""The ``bubblewrap`` backend: namespaces without a daemon, on an unpacked root file system."""
