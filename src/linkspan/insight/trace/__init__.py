"""The way of one packet, computed from the rules, routes and sockets that the kernel really has."""
