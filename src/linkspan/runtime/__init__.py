"""Containers as processes: OCI spec, conmon, crun, root file systems, images."""
