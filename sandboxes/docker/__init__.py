"""Hardened containers that hold fork servers. The only place that imports ``docker``, and only when it is used."""
