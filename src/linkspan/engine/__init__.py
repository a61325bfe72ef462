"""Use cases: containers, images, volumes, networks, events."""
